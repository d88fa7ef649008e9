// Ops that move or convert elements of less than a byte, or have weights of them that are not constant: unpacked,
// computed byte by byte, packed again.
#pragma once

#include <vector>

#include "runtime/kernel.h"
#include "runtime/preparation.h"

namespace subgraft {

class PackedOperands {
 public:
  // Where the op is one of those, its packed operands become int8 (uint4: uint8), and nothing says that they are
  // constants. Does nothing for other ops.
  PackedOperands(const OpCode& op, std::vector<Operand>& inputs, std::vector<Operand>& outputs);

  // Whether around() gives another closure than it takes, one with memory of its own.
  bool any() const { return !packed_inputs_.empty() || !packed_outputs_.empty(); }

  // The kernel's closure between unpacking and packing, which take scratch memory; the closure itself where no
  // operand is packed.
  Compute around(Compute compute, Preparation::Host& host, ThreadPool& threads) const;

 private:
  struct Packed {
    int place;
    DType dtype;
    int64_t elements;  // of an input
  };
  size_t inputs_, outputs_;
  std::vector<Packed> packed_inputs_, packed_outputs_;
};

}  // namespace subgraft
