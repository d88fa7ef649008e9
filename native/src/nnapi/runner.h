// Runs a compiled model again and again, with what may be done about a failure before the CPU takes over.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nnapi/compilation.h"
#include "nnapi/shared_memory.h"

namespace subgraft::nnapi {

// One input or output of the model.
struct Port {
  std::vector<std::uint32_t> dimensions;
  std::size_t element_bytes = 1;
  bool flips_sign = false;  // int8 here, uint8 in the model: the highest bit is inverted on the way

  std::size_t bytes() const;
};

struct RunOptions {
  std::uint64_t timeout_ns = 0;       // for a run; 0: none. Needs feature level 4, as the next does
  std::uint64_t loop_timeout_ns = 0;  // for a WHILE
  bool bursts = false;                // runs follow each other quickly
  bool reuses = true;                 // one execution for all runs, where the library has feature level 5
};

// What the device said about the latest run, in nanoseconds; kUnknownDuration where it did not.
struct Durations {
  std::uint64_t on_hardware = abi::kUnknownDuration;
  std::uint64_t in_driver = abi::kUnknownDuration;
};

// How often what happened, for reports.
struct Counts {
  std::uint64_t runs = 0, retries = 0, recompilations = 0;
};

class Runner {
 public:
  // Throws Error.
  Runner(std::shared_ptr<const Model> model, abi::Device* device, CompileOptions compile, RunOptions options,
         std::vector<Port> inputs, std::vector<Port> outputs);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Computes once; one thread at a time. A transient failure is tried once more; where the driver died, the model is
  // compiled once more. Throws Error for what is left.
  void run(const void* const* inputs, void* const* outputs);

  // Whether the device is asked for its own times, from the next run on.
  void measure(bool wanted) { measures_ = wanted; }
  Durations durations() const { return durations_; }
  Counts counts() const { return counts_; }
  bool shares_memory() const { return memory_ != nullptr; }

 private:
  struct Execution;
  struct Burst;

  void compile();
  void place();
  std::unique_ptr<Execution> prepared();
  abi::Code compute(Execution& execution);
  bool serves_all_runs() const;
  Durations durations_of(const Execution& execution) const;
  void copy_in(const void* const* inputs);
  void copy_out(void* const* outputs);
  // The driver says that an output is too small: of which, and what it should be. The model has fixed shapes.
  void refuse_shape(const Execution& execution) const;

  std::shared_ptr<const Model> model_;
  abi::Device* const device_;
  const CompileOptions compile_options_;
  const RunOptions options_;
  const std::vector<Port> inputs_;
  const std::vector<Port> outputs_;
  const int process_;
  std::atomic<bool> runs_{false};
  std::atomic<bool> measures_{false};
  std::vector<std::size_t> offsets_;  // of inputs, then outputs
  std::unique_ptr<Compilation> compilation_;
  std::unique_ptr<Burst> burst_;
  std::unique_ptr<SharedMemory> memory_;
  std::vector<std::byte> own_memory_;
  std::byte* data_ = nullptr;
  std::unique_ptr<Execution> execution_;
  Durations durations_;
  Counts counts_;
};

}  // namespace subgraft::nnapi
