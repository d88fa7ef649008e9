// Letting go of the GIL for waits that may last until the interpreter ends.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

#include <atomic>

namespace subgraft {

// As py::gil_scoped_release, for a daemon thread that may come back while the interpreter is torn down: taking the GIL
// then ends the thread, which unwinds it through C++ frames and aborts the process. Such a thread sleeps instead.
class Unlocked {
 public:
  Unlocked() {
    ++inside_;
    state_ = PyEval_SaveThread();
  }
  ~Unlocked() {
    while (is_finalizing()) pause();
    PyEval_RestoreThread(state_);
    --inside_;
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

  // Threads without the GIL, or about to take it again.
  static int inside() { return inside_; }
  // Of a forked child: these threads stayed behind.
  static void forget() { inside_ = 0; }

 private:
  static bool is_finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing() != 0;
#else
    return _Py_IsFinalizing() != 0;
#endif
  }

  static inline std::atomic<int> inside_ = 0;
  PyThreadState* state_;
};

}  // namespace subgraft
