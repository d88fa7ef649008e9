// A recorded list of launches, with what is written before and read after them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "opencl/buffer.h"
#include "opencl/program.h"

namespace subgraft::opencl {

constexpr std::size_t kMostDimensions = 3;  // OpenCL 1.2, CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS: at least 3

using Argument = std::variant<std::shared_ptr<Buffer>, std::int32_t, float>;

struct LaunchRequest {
  std::shared_ptr<Program> program;
  std::string kernel;
  std::vector<Argument> arguments;
  std::vector<std::size_t> global_size;
  std::vector<std::size_t> local_size;  // empty: as the driver likes
};

struct Transfer {
  std::shared_ptr<Buffer> buffer;
  std::size_t size;  // 0: stays on the device
  std::size_t offset;
};

// For one thread at a time: another is told BUSY.
class Commands {
 public:
  // flush_every: after so many launches the driver is told to start; 0 for never.
  Commands(std::shared_ptr<Context> context, std::size_t flush_every);

  void launch(const LaunchRequest& request);
  void input(Transfer transfer);
  void output(Transfer transfer);
  std::span<const Transfer> inputs() const { return inputs_; }
  std::span<const Transfer> outputs() const { return outputs_; }

  // As many pointers as there are inputs and outputs; those of what stays on the device are not looked at. When this
  // returns or throws, the memory is the caller's again. Allocates nothing of its own unless it fails.
  void run(const void* const* inputs, void* const* outputs);
  // Mean seconds of each launch over so many runs.
  std::vector<double> profile(const void* const* inputs, void* const* outputs, int runs);

 private:
  class Busy;

  // Sizes and handle in one place: what a run walks through.
  struct Launch {
    abi::kernel* kernel;
    std::uint32_t dimensions;
    bool has_local_size;
    std::array<std::size_t, kMostDimensions> global_size;
    std::array<std::size_t, kMostDimensions> local_size;
  };

  void set_arguments(abi::kernel* kernel, const LaunchRequest& request) const;
  void check_group(const LaunchRequest& request, abi::kernel* kernel) const;
  void check_transfer(const Transfer& transfer) const;
  void enqueue(abi::queue* queue, const void* const* inputs, void* const* outputs, abi::event** events) const;

  const std::shared_ptr<Context> context_;
  const std::size_t flush_every_;
  std::vector<Launch> launches_;
  std::vector<std::shared_ptr<Program>> programs_;
  std::vector<Held<abi::kernel>> kernels_;
  std::vector<std::shared_ptr<Buffer>> buffers_;  // of the arguments, which the kernels do not retain
  std::vector<Transfer> inputs_;
  std::vector<Transfer> outputs_;
  std::atomic<bool> is_busy_ = false;
};

}  // namespace subgraft::opencl
