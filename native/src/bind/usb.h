// What the bindings of USB devices share.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <cstddef>
#include <memory>

#include "bind/byte_view.h"
#include "bind/unlocked.h"
#include "usb/device.h"

namespace subgraft {

// Throws ArgumentError for what is no time; caps what the clock could not add.
usb::Clock::duration seconds(double timeout_s);

// Whoever waits for it comes back when the interpreter ends, before that is torn down.
void close_at_exit(const std::shared_ptr<usb::Device>& device);

// Closing may wait, so the last reference lets go of the GIL. A forked child leaves the parent's device alone.
template <typename Kind>
std::shared_ptr<Kind> share(std::unique_ptr<Kind> device) {
  std::shared_ptr<Kind> shared(device.release(), [](Kind* last) {
    if (!last->is_of_this_process()) return;
    if (!Py_IsInitialized() || !PyGILState_Check()) {
      delete last;
      return;
    }
    const Unlocked unlocked;
    delete last;
  });
  close_at_exit(shared);
  return shared;
}

// Runs `call` without the GIL.
template <typename Call>
auto unlocked_with(const usb::Device& device, Call call) {
  if (!device.is_of_this_process())
    throw usb::Error(usb::Status::invalid,
                     "this USB device was opened before the process forked; the child must open its own");
  const Unlocked unlocked;  // from here to the brace: no Python objects
  return call();
}

}  // namespace subgraft
