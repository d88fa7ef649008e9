#include "kernels/families.h"

namespace subgraft {

void register_detection(Registry&) {}

}  // namespace subgraft
