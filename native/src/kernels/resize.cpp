#include "kernels/families.h"

namespace subgraft {

void register_resize(Registry&) {}

}  // namespace subgraft
