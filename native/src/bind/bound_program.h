// A program with what Python needs beside it.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/strings.h"
#include "runtime/program.h"

namespace subgraft {

namespace py = pybind11;

// Holds numpy's dtype of each type, the arrays the program is bound to, and the count of live views.
class BoundProgram {
 public:
  explicit BoundProgram(ProgramRequest request);

  Program& program() { return program_; }

  // Without the GIL. What any other thread asks meanwhile is refused with ArgumentError.
  void run();
  void bind(int tensor, const py::array& array);
  void set(int tensor, const py::array& array);
  py::array get(int tensor);
  // An array over the tensor's own memory; the memory lives as long as any view of it. `self` is this object.
  py::array view(int tensor, py::object self);
  // One inference: copies the arrays in, runs, and returns the outputs as new arrays.
  py::list call(const py::sequence& arrays);

  void reset_variables();
  void profile(bool on);

  std::vector<int32_t> dims(int tensor) const;
  int views() const { return views_; }
  py::list placements() const;

 private:
  struct Keeper {
    BoundProgram* program;
    py::object self;
    std::shared_ptr<const void> memory;
  };

  // One thread's use of the program, from its first look at the memory to its last; taken under the GIL.
  class Turn {
   public:
    explicit Turn(bool& taken);
    ~Turn() { taken_ = false; }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    bool& taken_;
  };

  void run_unlocked();
  DType type(int tensor) const { return program_.subgraph().tensors[tensor].dtype; }
  const py::dtype& dtype(int tensor) const { return dtypes_.at(type(tensor)); }
  std::string describe(int tensor) const;
  void check(int tensor, const py::array& array) const;
  void check_ids(int tensor, const py::array& array) const;  // of a string tensor
  [[noreturn]] void mismatch(int tensor, const py::array& array) const;
  void copy_in(int tensor, const py::array& array);
  const std::byte* readable(int tensor);
  py::array empty(int tensor) const { return py::array(dtype(tensor), dims(tensor)); }
  void copy_out(int tensor, const std::byte* data, py::array& array) const;

  Program program_;
  std::map<DType, py::dtype> dtypes_;
  std::map<int, py::array> bound_;
  std::map<int, std::shared_ptr<const Strings>> texts_, texts_of_run_;  // of string inputs: set, and last run with
  int views_ = 0;
  bool taken_ = false;
};

}  // namespace subgraft
