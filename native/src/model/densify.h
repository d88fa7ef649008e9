// Sparse constants, spelled out.
#pragma once

#include <cstddef>

#include "core/shape.h"
#include "model/model.h"

namespace subgraft {

// The elements of a sparse constant of this dense shape, in their dense order; zero bytes where the file lists none.
// `dense` has room for all of them. Throws ModelError for a layout that contradicts itself, the shape or the number
// of values. Takes time in proportion to the file's part and the dense size.
void densify(const Sparsity& sparsity, const Shape& shape, size_t element_bytes, Bytes values, std::byte* dense);

}  // namespace subgraft
