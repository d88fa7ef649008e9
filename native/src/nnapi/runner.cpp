#include "nnapi/runner.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/errors.h"

namespace subgraft::nnapi {
namespace {

constexpr std::size_t kSlotAlignment = 64;  // what AOSP's drivers prefer
constexpr std::uint32_t kHighestRank = 8;

std::size_t aligned(std::size_t bytes) { return (bytes + kSlotAlignment - 1) / kSlotAlignment * kSlotAlignment; }

void copy(const std::byte* from, std::byte* to, std::size_t bytes, bool flips_sign) {
  if (!flips_sign) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i] ^ std::byte{0x80};
}

bool passes(abi::Code code) {
  return code == abi::kMissedDeadlineTransient || code == abi::kResourceExhaustedTransient;
}

bool means_a_dead_driver(abi::Code code) { return code == abi::kDeadObject || code == abi::kUnavailableDevice; }

}  // namespace

std::size_t Port::bytes() const {
  std::size_t total = element_bytes;
  for (const std::uint32_t dimension : dimensions) total *= dimension;
  return total;
}

// An execution with its buffers set.
struct Runner::Execution {
  explicit Execution(const Compilation& compilation)
      : library(compilation.library()), execution(make<abi::Execution>(library.execution_create, compilation.get())) {}
  ~Execution() {
    if (library.execution_free) library.execution_free(execution);
  }
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  const Library& library;
  abi::Execution* execution;
  bool measures = false;          // whether the device was asked for its own times
  const char* computed_by = "";  // the call whose code compute() gave back
};

// What a driver keeps between runs that follow each other.
struct Runner::Burst {
  explicit Burst(const Compilation& compilation)
      : library(compilation.library()), burst(make<abi::Burst>(library.burst_create, compilation.get())) {}
  ~Burst() {
    if (library.burst_free) library.burst_free(burst);
  }
  Burst(const Burst&) = delete;
  Burst& operator=(const Burst&) = delete;

  const Library& library;
  abi::Burst* burst;
};

Runner::Runner(std::shared_ptr<const Model> model, abi::Device* device, CompileOptions compile, RunOptions options,
               std::vector<Port> inputs, std::vector<Port> outputs)
    : model_(std::move(model)),
      device_(device),
      compile_options_(std::move(compile)),
      options_(options),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      process_(getpid()) {
  this->compile();
  place();
}

Runner::~Runner() {
  if (process_ != getpid()) {
    // In a forked child these are the parent's: its driver threads are not here.
    (void)execution_.release();
    (void)burst_.release();
    (void)compilation_.release();
    (void)memory_.release();
    (void)new std::shared_ptr<const Model>(std::move(model_));
    return;
  }
  execution_.reset();
  burst_.reset();
}

void Runner::compile() {
  const Library& library = *model_->library();
  execution_.reset();
  burst_.reset();
  compilation_.reset();
  compilation_ = std::make_unique<Compilation>(model_, device_, compile_options_);
  if (options_.bursts && device_ != nullptr && library.burst_create && library.burst_compute)
    burst_ = std::make_unique<Burst>(*compilation_);
}

void Runner::place() {
  std::size_t end = 0;
  const auto add = [&](std::size_t bytes) {
    offsets_.push_back(end);
    end += aligned(std::max<std::size_t>(bytes, 1));
  };
  for (const Port& input : inputs_) add(input.bytes());
  for (const Port& output : outputs_) add(output.bytes());
  memory_ = SharedMemory::make(model_->library(), std::max(end, kSlotAlignment));
  if (!memory_) own_memory_.resize(end + kSlotAlignment);
  const auto own = reinterpret_cast<std::uintptr_t>(own_memory_.data());
  data_ = memory_ ? memory_->data() : own_memory_.data() + (kSlotAlignment - own % kSlotAlignment) % kSlotAlignment;
}

std::unique_ptr<Runner::Execution> Runner::prepared() {
  const Library& l = *model_->library();
  auto made = std::make_unique<Execution>(*compilation_);
  abi::Execution* const e = made->execution;
  if (serves_all_runs()) call(l.set_reusable, e, true);
  made->measures = measures_;
  if (made->measures && device_ != nullptr && l.set_measure_timing) call(l.set_measure_timing, e, true);
  if (options_.timeout_ns != 0 && device_ != nullptr && l.execution_set_timeout)
    call(l.execution_set_timeout, e, options_.timeout_ns);
  if (options_.loop_timeout_ns != 0 && l.set_loop_timeout) call(l.set_loop_timeout, e, options_.loop_timeout_ns);
  const abi::OperandType* const as_in_model = nullptr;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const auto index = static_cast<std::int32_t>(i);
    if (memory_)
      call(l.set_input_from_memory, e, index, as_in_model, memory_->get(), offsets_[i], inputs_[i].bytes());
    else
      call(l.set_input, e, index, as_in_model, static_cast<const void*>(data_ + offsets_[i]), inputs_[i].bytes());
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const auto index = static_cast<std::int32_t>(i);
    const std::size_t offset = offsets_[inputs_.size() + i];
    if (memory_)
      call(l.set_output_from_memory, e, index, as_in_model, memory_->get(), offset, outputs_[i].bytes());
    else
      call(l.set_output, e, index, as_in_model, static_cast<void*>(data_ + offset), outputs_[i].bytes());
  }
  return made;
}

abi::Code Runner::compute(Execution& execution) {
  const Library& l = execution.library;
  if (burst_) {
    execution.computed_by = l.burst_compute.name();
    return l.burst_compute(execution.execution, burst_->burst);
  }
  if (l.compute) {
    execution.computed_by = l.compute.name();
    return l.compute(execution.execution);
  }
  execution.computed_by = l.start_compute.name();
  abi::Event* event = nullptr;
  const abi::Code started = l.start_compute(execution.execution, &event);
  if (started != abi::kNoError) return started;
  if (event == nullptr) throw_no_answer(l.start_compute.name());
  execution.computed_by = l.event_wait.name();
  const abi::Code code = l.event_wait(event);
  l.event_free(event);
  return code;
}

void Runner::run(const void* const* inputs, void* const* outputs) {
  if (process_ != getpid())
    throw Error(kForked, "", "this was compiled before the process was forked; compile it in the child");
  if (runs_.exchange(true, std::memory_order_acquire)) throw Error(kBusy, "", "this runs in another thread");
  struct Ended {
    std::atomic<bool>& runs;
    ~Ended() { runs.store(false, std::memory_order_release); }
  } const ended{runs_};
  bool has_retried = false, has_recompiled = false;
  for (;;) {
    if (!compilation_) compile();  // an earlier attempt, after the driver died, failed
    if (execution_ && execution_->measures != measures_) execution_.reset();
    if (!execution_) execution_ = prepared();
    copy_in(inputs);
    const abi::Code code = compute(*execution_);
    ++counts_.runs;
    const std::string computed_by = execution_->computed_by;
    if (code == abi::kNoError) {
      // One that serves a single run is gone whatever follows.
      std::unique_ptr<Execution> ran = std::move(execution_);
      copy_out(outputs);
      durations_ = durations_of(*ran);
      if (serves_all_runs()) execution_ = std::move(ran);
      return;
    }
    if (const std::unique_ptr<Execution> failed = std::move(execution_); code == abi::kOutputInsufficientSize)
      refuse_shape(*failed);
    if (passes(code) && !has_retried) {
      has_retried = true;
      ++counts_.retries;
      continue;
    }
    if (means_a_dead_driver(code) && !has_recompiled) {
      has_recompiled = true;
      ++counts_.recompilations;
      compile();
      continue;
    }
    check(code, computed_by.c_str());
  }
}

bool Runner::serves_all_runs() const {
  return options_.reuses && device_ != nullptr && model_->library()->set_reusable;
}

// What the device does not tell is not known: a result is right without it.
Durations Runner::durations_of(const Execution& execution) const {
  Durations found;
  const Library& l = execution.library;
  if (!execution.measures || device_ == nullptr || !l.duration || !l.set_measure_timing) return found;
  const abi::Execution* const e = execution.execution;
  if (l.duration(e, abi::kOnHardware, &found.on_hardware) != abi::kNoError) found.on_hardware = abi::kUnknownDuration;
  if (l.duration(e, abi::kInDriver, &found.in_driver) != abi::kNoError) found.in_driver = abi::kUnknownDuration;
  return found;
}

void Runner::copy_in(const void* const* inputs) {
  for (std::size_t i = 0; i < inputs_.size(); ++i)
    copy(static_cast<const std::byte*>(inputs[i]), data_ + offsets_[i], inputs_[i].bytes(), inputs_[i].flips_sign);
}

void Runner::copy_out(void* const* outputs) {
  for (std::size_t i = 0; i < outputs_.size(); ++i)
    copy(data_ + offsets_[inputs_.size() + i], static_cast<std::byte*>(outputs[i]), outputs_[i].bytes(),
         outputs_[i].flips_sign);
}

void Runner::refuse_shape(const Execution& execution) const {
  const Library& l = execution.library;
  if (!l.output_rank || !l.output_dimensions) return;
  const auto text = [](const std::vector<std::uint32_t>& shape) {
    std::string all;
    for (const std::uint32_t dimension : shape) all += concat(all.empty() ? "" : ", ", dimension);
    return concat("[", all, "]");
  };
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const auto index = static_cast<std::int32_t>(i);
    std::uint32_t rank = 0;
    // Both say that the place is too small, and answer all the same.
    (void)l.output_rank(execution.execution, index, &rank);
    if (rank == 0 || rank > kHighestRank) continue;
    std::vector<std::uint32_t> dimensions(rank);
    (void)l.output_dimensions(execution.execution, index, dimensions.data());
    if (dimensions == outputs_[i].dimensions) continue;
    throw Error(kWrongShape, execution.computed_by,
                concat("output ", i, " would be ", text(dimensions), "; the model says ", text(outputs_[i].dimensions)));
  }
}

}  // namespace subgraft::nnapi
