// How many programs run at this moment: pools divide the CPUs among them.
#pragma once

namespace subgraft {

// A program runs for as long as this exists.
class RunningProgram {
 public:
  RunningProgram();
  ~RunningProgram();
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;
};

}  // namespace subgraft
