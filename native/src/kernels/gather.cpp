#include "kernels/families.h"

namespace subgraft {

void register_gather(Registry&) {}

}  // namespace subgraft
