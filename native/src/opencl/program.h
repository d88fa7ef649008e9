// A program built for the device of a context, from source or from what an earlier build gave.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "opencl/context.h"

namespace subgraft::opencl {

class Program {
 public:
  // Both throw Error, with the compiler's log when the build failed.
  static std::shared_ptr<Program> build(const std::shared_ptr<Context>& context, const std::string& source,
                                        const std::string& options);
  static std::shared_ptr<Program> load(const std::shared_ptr<Context>& context, const std::vector<std::byte>& binary,
                                       const std::string& options);

  // What load() takes. Drivers compile late: complete only once each kernel ran.
  std::vector<std::byte> binary() const;
  // The most work items of a group with this kernel on this device.
  std::size_t work_group_limit(const std::string& kernel) const;

  Context& context() const { return program_.context(); }
  abi::program* raw() const { return program_.raw(); }  // for the time of a Use

 private:
  Program(const std::shared_ptr<Context>& context, abi::program* raw) : program_(context, raw) {}
  void compile(const std::string& options) const;
  std::string log() const;

  const Held<abi::program> program_;
};

// The kernels' own limit, for the time of a Use.
std::size_t work_group_limit(const Context& context, abi::kernel* kernel);

}  // namespace subgraft::opencl
