#include "kernels/families.h"

namespace subgraft {

void register_conversion(Registry&) {}

}  // namespace subgraft
