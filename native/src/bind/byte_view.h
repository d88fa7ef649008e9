// The bytes behind a Python object.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

namespace subgraft {

// Of an object with the buffer protocol, kept where they are until this is destroyed, with the GIL.
class ByteView {
 public:
  explicit ByteView(pybind11::handle object, int flags = PyBUF_SIMPLE) {
    if (PyObject_GetBuffer(object.ptr(), &view_, flags) != 0) throw pybind11::error_already_set();
  }
  ~ByteView() { PyBuffer_Release(&view_); }
  ByteView(const ByteView&) = delete;
  ByteView& operator=(const ByteView&) = delete;

  const std::byte* data() const { return static_cast<const std::byte*>(view_.buf); }
  // Only of a view with PyBUF_WRITABLE.
  std::byte* mutable_data() const { return static_cast<std::byte*>(view_.buf); }
  std::size_t size() const { return static_cast<std::size_t>(view_.len); }

 private:
  Py_buffer view_{};
};

}  // namespace subgraft
