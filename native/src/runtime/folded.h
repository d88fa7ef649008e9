// The memory of a constant that is made while a program is.
#pragma once

#include "core/shape.h"
#include "runtime/arena.h"

namespace subgraft {

// A folded tensor: its elements and the shape they turned out to have.
struct Folded {
  Folded(int64_t size, const Shape& shape) : arena(size), shape(shape) {}
  Arena arena;
  Shape shape;
};

}  // namespace subgraft
