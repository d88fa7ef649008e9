// What a model gives, and how two runs of it are compared.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drawn_model.h"
#include "runtime/threads.h"

namespace subgraft::compare {

struct Output {
  DType type;
  Shape shape;
  Contents bytes;
};

// The outputs of every run, one after the other; or, where the model is refused or a run fails, why.
struct Outputs {
  std::vector<Output> tensors;
  std::string refusal;

  bool is_refused() const { return !refusal.empty(); }
};

// How a program is run: tensors in memory of the program, beside another program of the model that runs in turns with
// it; or fenced, in the caller's; `keep` gives every tensor memory of its own.
enum class Memory { own, fenced, keep };

// Runs a drawn model with the kernels of this instruction set.
Outputs compute(const std::shared_ptr<const Model>& model, const DrawnModel& drawn, std::string_view set,
                const std::shared_ptr<ThreadPool>& pool, Memory memory);

// What is different, if anything: integers must be equal, floats within what the drawn model allows, or, when
// `exactly`, equal as well.
std::optional<std::string> difference(const Outputs& expected, const Outputs& got, const DrawnModel& drawn,
                                      bool exactly);

}  // namespace subgraft::compare
