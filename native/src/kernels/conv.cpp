#include "kernels/families.h"

namespace subgraft {

void register_conv(Registry&) {}

}  // namespace subgraft
