// Which instruction sets the CPU's kernels use: for reports, benchmarks, and tests that compare them.
#include <pybind11/stl.h>

#include "bind/bind.h"
#include "core/instruction_set.h"

namespace py = pybind11;

namespace subgraft {

void bind_instruction_sets(py::module_& module) {
  available_instruction_sets();  // asks the processor now, not while the first model is loaded
  module.def(
      "instruction_sets",
      [] {
        std::vector<std::string> names;
        for (const InstructionSet set : available_instruction_sets()) names.emplace_back(name_of(set));
        return names;
      },
      "Names of the instruction sets that kernels are written for and this machine can run, the best last.");
  module.def(
      "instruction_set", [] { return std::string(name_of(best_instruction_set())); },
      "The best one in use: the last of instruction_sets(), unless SUBGRAFT_ISA or limit_instruction_set() says less.");
  module.def(
      "limit_instruction_set", [](const std::string& name) { limit_instruction_set(name); }, py::arg("name") = "",
      "Programs made from now on use no better set than this; \"\" takes the limit away. Raises ValueError for a set "
      "that this machine cannot run.");
}

}  // namespace subgraft
