// An OpenCL library, loaded while the program runs: each function is looked for on its own and may be absent.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/foreign_function.h"
#include "opencl/abi.h"

namespace subgraft::opencl {

struct LoadError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What went wrong, by name: an OpenCL code without its CL_, or one of the five below.
struct Error : std::runtime_error {
  Error(std::string code_name, std::string in_call, const std::string& message, std::string build_log = {})
      : std::runtime_error(message), code(std::move(code_name)), call(std::move(in_call)), log(std::move(build_log)) {}

  const std::string code;
  const std::string call;  // "clBuildProgram"
  const std::string log;   // of the compiler
};

constexpr const char* kClosed = "CLOSED";                 // its context was closed
constexpr const char* kForked = "FORKED";                 // its context is the parent process's
constexpr const char* kBusy = "BUSY";                     // the list runs in another thread
constexpr const char* kMissingSymbol = "MISSING_SYMBOL";  // the library lacks the function
constexpr const char* kNoAnswer = "NO_ANSWER";            // the driver reported success and gave nothing

// Throws for anything but success.
void check(abi::code code, const char* call);
[[noreturn]] void throw_missing(const char* call);
[[noreturn]] void throw_no_answer(const char* call);

template <typename Signature>
using Function = ForeignFunction<Signature, throw_missing>;

// Calls what returns a code; throws Error when it is none of success.
template <typename... Parameters, typename... Arguments>
void call(const Function<abi::code(Parameters...)>& function, Arguments... arguments) {
  check(function(arguments...), function.name());
}

// Calls what gives an object and reports through its last parameter.
template <typename Made, typename... Parameters, typename... Arguments>
Made* make(const Function<Made*(Parameters...)>& function, Arguments... arguments) {
  abi::code code = abi::kSuccess;
  Made* const made = function(arguments..., &code);
  check(code, function.name());
  if (made == nullptr) throw_no_answer(function.name());
  return made;
}

struct Library {
  std::string path;
  std::vector<std::string> missing;  // of the functions below

  using Notify = void (*)(abi::program*, void*);

  Function<abi::code(abi::context*)> retain_context{"clRetainContext"};
  Function<abi::code(abi::context*)> release_context{"clReleaseContext"};
  Function<abi::queue*(abi::context*, abi::device*, abi::bits, abi::code*)> create_queue{"clCreateCommandQueue"};
  Function<abi::code(abi::queue*)> release_queue{"clReleaseCommandQueue"};
  Function<abi::code(abi::queue*)> flush{"clFlush"};
  Function<abi::code(abi::queue*)> finish{"clFinish"};

  Function<abi::program*(abi::context*, std::uint32_t, const char**, const std::size_t*, abi::code*)>
      create_program_with_source{"clCreateProgramWithSource"};
  Function<abi::program*(abi::context*, std::uint32_t, abi::device* const*, const std::size_t*, const unsigned char**,
                         abi::code*, abi::code*)>
      create_program_with_binary{"clCreateProgramWithBinary"};
  Function<abi::code(abi::program*, std::uint32_t, abi::device* const*, const char*, Notify, void*)> build_program{
      "clBuildProgram"};
  Function<abi::code(abi::program*, abi::info, std::size_t, void*, std::size_t*)> get_program_info{"clGetProgramInfo"};
  Function<abi::code(abi::program*, abi::device*, abi::info, std::size_t, void*, std::size_t*)> get_program_build_info{
      "clGetProgramBuildInfo"};
  Function<abi::code(abi::program*)> release_program{"clReleaseProgram"};

  Function<abi::kernel*(abi::program*, const char*, abi::code*)> create_kernel{"clCreateKernel"};
  Function<abi::code(abi::kernel*, std::uint32_t, std::size_t, const void*)> set_kernel_arg{"clSetKernelArg"};
  Function<abi::code(abi::kernel*, abi::info, std::size_t, void*, std::size_t*)> get_kernel_info{"clGetKernelInfo"};
  Function<abi::code(abi::kernel*, abi::device*, abi::info, std::size_t, void*, std::size_t*)>
      get_kernel_work_group_info{"clGetKernelWorkGroupInfo"};
  Function<abi::code(abi::kernel*)> release_kernel{"clReleaseKernel"};

  Function<abi::memory*(abi::context*, abi::bits, std::size_t, void*, abi::code*)> create_buffer{"clCreateBuffer"};
  Function<abi::code(abi::memory*)> release_memory{"clReleaseMemObject"};
  Function<abi::code(abi::queue*, abi::memory*, abi::boolean, std::size_t, std::size_t, const void*, std::uint32_t,
                     abi::event* const*, abi::event**)>
      write_buffer{"clEnqueueWriteBuffer"};
  Function<abi::code(abi::queue*, abi::memory*, abi::boolean, std::size_t, std::size_t, void*, std::uint32_t,
                     abi::event* const*, abi::event**)>
      read_buffer{"clEnqueueReadBuffer"};
  Function<void*(abi::queue*, abi::memory*, abi::boolean, abi::bits, std::size_t, std::size_t, std::uint32_t,
                 abi::event* const*, abi::event**, abi::code*)>
      map_buffer{"clEnqueueMapBuffer"};
  Function<abi::code(abi::queue*, abi::memory*, void*, std::uint32_t, abi::event* const*, abi::event**)> unmap{
      "clEnqueueUnmapMemObject"};
  Function<abi::code(abi::queue*, abi::kernel*, std::uint32_t, const std::size_t*, const std::size_t*,
                     const std::size_t*, std::uint32_t, abi::event* const*, abi::event**)>
      launch{"clEnqueueNDRangeKernel"};

  Function<abi::code(abi::event*, abi::info, std::size_t, void*, std::size_t*)> get_event_profiling_info{
      "clGetEventProfilingInfo"};
  Function<abi::code(abi::event*)> release_event{"clReleaseEvent"};

  // Later than 1.2. Only where the function of 1.2 is absent: a loader has all names, and a driver of 1.2 behind it
  // may have nothing for the later ones to go to.
  Function<abi::queue*(abi::context*, abi::device*, const abi::bits*, abi::code*)> create_queue_with_properties{
      "clCreateCommandQueueWithProperties"};
};

// Stays loaded for good: drivers own threads. hidden: names of functions treated as absent. Throws LoadError
// with what the dynamic linker said, or when the file has none of the functions.
std::shared_ptr<Library> load(const std::string& path, const std::vector<std::string>& hidden);

}  // namespace subgraft::opencl
