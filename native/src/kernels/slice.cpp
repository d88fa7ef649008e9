#include "kernels/families.h"

namespace subgraft {

void register_slice(Registry&) {}

}  // namespace subgraft
