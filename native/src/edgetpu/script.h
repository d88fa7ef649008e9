// What one run of an executable sends and receives, in order; the same for every device and every run.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "edgetpu/relayout.h"
#include "edgetpu/staging.h"

namespace subgraft::edgetpu {

enum class Source : std::uint8_t { instructions, input, parameters, scratch, output };
const char* name_of(Source source);

// The DMA hints of an executable, in their order.
struct Step {
  enum class Kind : std::uint8_t { send, receive, interrupt, fence };

  Kind kind = Kind::fence;
  Tag tag = Tag::instructions;  // of send
  Source source = Source::instructions;
  std::size_t index = 0;  // which chunk, input or output; of interrupt: which one
  std::size_t offset = 0, size = 0;
};

// "send input 0", for messages.
std::string describe(const Step& step);

struct Input {
  std::size_t tensor_bytes = 0;  // of one run
  std::size_t padded_bytes = 0;  // as the device counts them; zeros follow the tensor
  Flip flip = Flip::none;
};

struct Output {
  std::size_t tensor_bytes = 0;
  std::size_t padded_bytes = 0;  // what the device sends
  Flip flip = Flip::none;
  std::vector<Run> runs;
};

struct ScriptRequest {
  std::vector<Step> steps;
  std::vector<std::vector<std::byte>> instructions;
  std::vector<std::byte> parameters;
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::size_t scratch_bytes = 0;
};

class Script {
 public:
  // Throws ArgumentError when sizes do not fit together.
  explicit Script(ScriptRequest request);

  struct Receive {
    std::size_t step = 0;
    Source source = Source::output;
    std::size_t index = 0, offset = 0, size = 0;
    bool is_whole = false;  // the only one of its output
    bool is_last = false;   // of its output
  };

  std::span<const Step> steps() const { return steps_; }
  std::span<const Receive> receives() const { return receives_; }
  // Header and payload of a send step. Empty where the payload is not constant.
  std::span<const std::byte> constant(std::size_t step) const { return constants_[step]; }
  std::span<const Input> inputs() const { return inputs_; }
  std::size_t scratch_bytes() const { return scratch_bytes_; }
  // Whether bytes of it are sent that did not come before: they are zeros, not what an earlier run left.
  bool clears_scratch() const { return clears_scratch_; }
  // Which interrupts the device raises, in order.
  std::span<const std::uint8_t> interrupts() const { return interrupts_; }

  struct TensorOut {
    std::size_t tensor_bytes = 0;
    std::size_t padded_bytes = 0;
    std::size_t place = 0;  // where it begins when all outputs lie one behind the other
    Relayout relayout;
  };
  std::span<const TensorOut> outputs() const { return outputs_; }
  // Bytes of all outputs as the device sends them, each from a multiple of kAlignment.
  std::size_t received_bytes() const { return received_bytes_; }

  static constexpr std::size_t kAlignment = 64;  // a cache line

 private:
  void add(const ScriptRequest& request, const Step& step);
  void add_send(const ScriptRequest& request, const Step& step);
  void add_receive(const Step& step);
  std::size_t filled_to(Source source, std::size_t index, std::size_t from) const;
  void check_coverage() const;

  std::vector<Step> steps_;
  std::vector<Receive> receives_;
  std::vector<std::vector<std::byte>> constants_;  // one per step
  std::vector<Input> inputs_;
  std::vector<TensorOut> outputs_;
  std::vector<std::uint8_t> interrupts_;
  std::size_t scratch_bytes_ = 0, received_bytes_ = 0, moved_bytes_ = 0;
  bool clears_scratch_ = false;
};

}  // namespace subgraft::edgetpu
