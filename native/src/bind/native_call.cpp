// Calls a native delegate's executable, with a deadline and without a Python frame.
#include "bind/native_call.h"

#include <pybind11/stl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "bind/bind.h"
#include "core/errors.h"

namespace subgraft {
namespace {

constexpr double kLongestWaitS = 1e9;  // what the clock can add

}  // namespace

NativeCall::NativeCall(py::capsule capsule, std::vector<py::array> inputs, std::vector<py::array> outputs,
                       py::object after_overrun)
    : process_(getpid()), state_(std::make_shared<State>()) {
  if (capsule.name() == nullptr || std::string(capsule.name()) != SUBGRAFT_EXECUTABLE_CAPSULE)
    throw ArgumentError("the capsule is not named " SUBGRAFT_EXECUTABLE_CAPSULE);
  const auto* executable = capsule.get_pointer<subgraft_executable>();
  if (executable->version != SUBGRAFT_EXECUTABLE_VERSION || !executable->run)
    throw ArgumentError(concat("the executable speaks version ", executable->version,
                               " of subgraft.h; this build speaks ", SUBGRAFT_EXECUTABLE_VERSION));
  state_->executable = *executable;
  for (const py::array& array : inputs) {
    if (!(array.flags() & py::array::c_style)) throw ArgumentError("inputs must be C-contiguous");
    state_->inputs.push_back(array.data());
  }
  for (py::array& array : outputs) {
    if (!(array.flags() & py::array::c_style)) throw ArgumentError("outputs must be C-contiguous");
    state_->outputs.push_back(array.mutable_data());
  }
  state_->objects = new Objects{std::move(capsule), std::move(inputs), std::move(outputs), std::move(after_overrun)};
}

NativeCall::~NativeCall() {
  if (getpid() != process_) {
    // A forked child: there is no thread to join, and destroying what it waits on never ends.
    (void)new std::pair(std::move(thread_), std::move(state_));
    return;
  }
  {
    std::lock_guard lock(state_->mutex);
    state_->closed = true;
    if (state_->phase == Phase::running) {  // overrun: the thread lets go of everything when it comes back
      thread_.detach();
      return;
    }
  }
  state_->changed.notify_all();
  {
    py::gil_scoped_release unlocked;
    if (thread_.joinable()) thread_.join();
  }
  let_go(*state_);
}

std::pair<bool, std::optional<std::string>> NativeCall::run(double timeout_s) {
  if (!(timeout_s >= 0)) throw ArgumentError(concat("timeout_s must be 0 or more, not ", timeout_s));
  if (getpid() != process_) throw ArgumentError("a native executable stays with its process: a fork must load its own");
  py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
  std::unique_lock lock(state_->mutex);
  if (state_->phase == Phase::running) throw ArgumentError("this call has not come back from an earlier run");
  if (!thread_.joinable()) thread_ = std::thread(serve, state_);
  state_->phase = Phase::running;
  state_->changed.notify_all();
  const auto is_over = [&] { return state_->phase == Phase::idle; };
  const std::chrono::duration<double> wait(std::min(timeout_s, kLongestWaitS));
  if (state_->changed.wait_for(lock, wait, is_over)) return {true, state_->reason};
  state_->overran = true;
  return {false, std::nullopt};
}

void NativeCall::serve(std::shared_ptr<State> state) {
  std::array<char, 1024> reason{};
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->changed.wait(lock, [&] { return state->closed || state->phase == Phase::running; });
    if (state->phase == Phase::idle) return;
    lock.unlock();
    reason[0] = 0;
    const int failed = state->executable.run(state->executable.self, state->inputs.data(), state->outputs.data(),
                                             reason.data(), reason.size());
    reason.back() = 0;
    lock.lock();
    state->phase = Phase::idle;
    if (state->closed) break;
    state->reason = failed ? std::optional<std::string>(reason.data()) : std::nullopt;
    state->changed.notify_all();
  }
  lock.unlock();
  // Given up, and back after all. A finalized interpreter takes nothing back.
  if (!Py_IsInitialized()) return;
  py::gil_scoped_acquire locked;
  let_go(*state);
}

void NativeCall::let_go(State& state) {
  if (state.overran && !state.objects->after_overrun.is_none()) {
    try {
      state.objects->after_overrun();
    } catch (py::error_already_set& error) {
      error.discard_as_unraisable("closing a native executable that came back late");
    }
  }
  delete state.objects;
}

void bind_native_call(py::module_& module) {
  py::class_<NativeCall>(module, "NativeCall", "A native executable with its arrays, on a thread of its own.")
      .def(py::init<py::capsule, std::vector<py::array>, std::vector<py::array>, py::object>(), py::arg("capsule"),
           py::arg("inputs"), py::arg("outputs"), py::arg("after_overrun") = py::none())
      .def("run", &NativeCall::run, py::arg("timeout_s"),
           "Runs once: (came back in time, reason if it failed). What is not back in time keeps its arrays.");
}

}  // namespace subgraft
