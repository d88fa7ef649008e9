// A program with what Python needs beside it.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <map>
#include <string>
#include <vector>

#include "runtime/program.h"

namespace subgraft {

namespace py = pybind11;

// Holds numpy's dtype per element type, the arrays the program is bound to, and the count of live views.
class BoundProgram {
 public:
  explicit BoundProgram(ProgramRequest request);

  Program& program() { return program_; }

  // Without the GIL.
  void run();
  void bind(int tensor, const py::array& array);
  void set(int tensor, const py::array& array);
  py::array get(int tensor);
  // An array over the tensor's own memory; the memory lives as long as any view of it. `self` is this object.
  py::array view(int tensor, py::object self);
  // One inference: copies the arrays in, runs, and returns the outputs as new arrays.
  py::list call(const py::sequence& arrays);

  std::vector<int32_t> dims(int tensor) const;
  int views() const { return views_; }
  py::list placements() const;

 private:
  struct Keeper {
    BoundProgram* program;
    py::object self;
  };

  DType type(int tensor) const { return program_.subgraph().tensors[tensor].dtype; }
  std::string describe(int tensor) const;
  void check(int tensor, const py::array& array) const;
  [[noreturn]] void mismatch(int tensor, const py::array& array) const;
  void copy_in(int tensor, const py::array& array);
  const std::byte* readable(int tensor);
  py::array empty(int tensor) const { return py::array(dtypes_.at(type(tensor)), dims(tensor)); }
  void copy_out(int tensor, const std::byte* data, py::array& array) const;

  Program program_;
  std::map<DType, py::dtype> dtypes_;
  std::map<int, py::array> bound_;
  int views_ = 0;
};

}  // namespace subgraft
