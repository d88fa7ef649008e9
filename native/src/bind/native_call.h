// A native delegate's executable and the arrays it works on.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "subgraft.h"

namespace subgraft {

namespace py = pybind11;

// Runs on a thread of its own, so that one that hangs can be left behind with its arrays.
class __attribute__((visibility("hidden"))) NativeCall {
 public:
  // after_overrun: called when a run that was given up comes back after all; None: nothing.
  NativeCall(py::capsule capsule, std::vector<py::array> inputs, std::vector<py::array> outputs,
             py::object after_overrun);
  ~NativeCall();
  NativeCall(const NativeCall&) = delete;
  NativeCall& operator=(const NativeCall&) = delete;

  // Whether it came back in time, and the reason if it failed.
  std::pair<bool, std::optional<std::string>> run(double timeout_s);

 private:
  enum class Phase { idle, running };
  struct Objects {
    py::capsule capsule;
    std::vector<py::array> inputs, outputs;
    py::object after_overrun;
  };
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    Phase phase = Phase::idle;
    bool closed = false;
    bool overran = false;
    std::optional<std::string> reason;
    subgraft_executable executable{};
    std::vector<const void*> inputs;
    std::vector<void*> outputs;
    Objects* objects = nullptr;  // released under the GIL by whoever is last: the destructor, or the late thread
  };
  static void serve(std::shared_ptr<State> state);
  static void let_go(State& state);  // with the GIL

  const int process_;
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace subgraft
