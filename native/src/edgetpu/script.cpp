#include "edgetpu/script.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/errors.h"

namespace subgraft::edgetpu {
namespace {

// What one run moves, as in transfers.py. The device has 8 MB; a package that asks for more than this lies.
constexpr std::size_t kMaxBytes = std::size_t{1} << 28;

std::size_t aligned(std::size_t size) {
  return (size + Script::kAlignment - 1) / Script::kAlignment * Script::kAlignment;
}

template <typename Values>
const auto& at(const Values& values, const Step& step) {
  if (step.index >= values.size()) throw ArgumentError(concat(describe(step), ": there are ", values.size()));
  return values[step.index];
}

void check_inside(const Step& step, std::size_t total) {
  if (step.offset > total || step.size > total - step.offset)
    throw ArgumentError(
        concat(describe(step), ": bytes ", step.offset, " to ", step.offset + step.size, " of ", total));
}

void check_tensor(const char* noun, std::size_t index, std::size_t tensor_bytes, std::size_t padded_bytes, Flip flip) {
  const char* wrong = nullptr;
  if (tensor_bytes == 0)
    wrong = "has no bytes";
  else if (padded_bytes < tensor_bytes)
    wrong = "is larger than with its padding";
  else if (padded_bytes > kMaxBytes)
    wrong = "is larger than the device's memory";
  else if (flip == Flip::high_bytes && tensor_bytes % 2 != 0)
    wrong = "holds half an element";
  if (wrong)
    throw ArgumentError(concat(noun, " ", index, " ", wrong, ": ", tensor_bytes, " of ", padded_bytes, " bytes"));
}

}  // namespace

const char* name_of(Source source) {
  constexpr std::array names = {"instructions", "input", "parameters", "scratch", "output"};
  return names[static_cast<std::size_t>(source)];
}

std::string describe(const Step& step) {
  switch (step.kind) {
    case Step::Kind::send:
      return concat("send ", name_of(step.source), " ", step.index);
    case Step::Kind::receive:
      return concat("receive ", name_of(step.source), " ", step.index);
    case Step::Kind::interrupt:
      return concat("interrupt ", step.index);
    default:
      return "fence";
  }
}

Script::Script(ScriptRequest request) : inputs_(std::move(request.inputs)), scratch_bytes_(request.scratch_bytes) {
  if (scratch_bytes_ > kMaxBytes)
    throw ArgumentError(concat(scratch_bytes_, " bytes of scratch are more than a device has"));
  for (std::size_t i = 0; i < inputs_.size(); ++i)
    check_tensor("input", i, inputs_[i].tensor_bytes, inputs_[i].padded_bytes, inputs_[i].flip);
  for (std::size_t i = 0; i < request.outputs.size(); ++i) {
    const Output& output = request.outputs[i];
    check_tensor("output", i, output.tensor_bytes, output.padded_bytes, output.flip);
    outputs_.push_back({output.tensor_bytes, output.padded_bytes, received_bytes_,
                        Relayout(output.runs, output.padded_bytes, output.tensor_bytes, output.flip)});
    received_bytes_ += aligned(output.padded_bytes);
    if (received_bytes_ > kMaxBytes)
      throw ArgumentError(
          concat("outputs 0 to ", i, " are larger than the device's memory: ", received_bytes_, " bytes"));
  }
  for (const Step& step : request.steps) add(request, step);
  check_coverage();
}

void Script::add(const ScriptRequest& request, const Step& step) {
  if (step.size > kMaxBytes - moved_bytes_)
    throw ArgumentError(concat(describe(step), " of ", step.size, " bytes: one run would move more than ", kMaxBytes));
  moved_bytes_ += step.size;
  constants_.emplace_back();
  steps_.push_back(step);
  switch (step.kind) {
    case Step::Kind::send:
      return add_send(request, step);
    case Step::Kind::receive:
      return add_receive(step);
    case Step::Kind::interrupt:
      if (step.index >= kInterrupts) throw ArgumentError(concat(describe(step), ": there are ", kInterrupts));
      interrupts_.push_back(static_cast<std::uint8_t>(step.index));
      return;
    case Step::Kind::fence:
      return;
  }
}

void Script::add_send(const ScriptRequest& request, const Step& step) {
  if (step.size == 0) throw ArgumentError(concat(describe(step), ": no bytes"));
  std::span<const std::byte> payload;
  switch (step.source) {
    case Source::instructions:
      payload = at(request.instructions, step);
      break;
    case Source::parameters:
      payload = request.parameters;
      break;
    case Source::scratch:
      check_inside(step, scratch_bytes_);
      clears_scratch_ |= filled_to(Source::scratch, 0, step.offset) < step.offset + step.size;
      return;
    case Source::input:
      // It may reach beyond the padded tensor: zeros follow.
      if (at(inputs_, step).flip == Flip::high_bytes && step.offset % 2 != 0)
        throw ArgumentError(concat(describe(step), ": begins in the middle of an element"));
      return check_inside(step, kMaxBytes);
    default:
      throw ArgumentError(concat(describe(step), ": outputs are received"));
  }
  check_inside(step, payload.size());
  std::vector<std::byte>& message = constants_.back();
  message.resize(kHeaderBytes + step.size);
  write_header(message.data(), step.tag, step.size);
  std::memcpy(message.data() + kHeaderBytes, payload.data() + step.offset, step.size);
}

void Script::add_receive(const Step& step) {
  if (step.size == 0) throw ArgumentError(concat(describe(step), ": no bytes"));
  if (step.source == Source::scratch)
    check_inside(step, scratch_bytes_);
  else if (step.source == Source::output)
    check_inside(step, at(outputs_, step).padded_bytes);
  else
    throw ArgumentError(concat(describe(step), ": only outputs and scratch are received"));
  // There is one scratch, whatever its index.
  const std::size_t index = step.source == Source::scratch ? 0 : step.index;
  Receive receive{steps_.size() - 1, step.source, index, step.offset, step.size, false, false};
  if (step.source == Source::output) {
    receive.is_whole = receive.is_last = true;
    for (Receive& earlier : receives_) {
      if (earlier.source != Source::output || earlier.index != step.index) continue;
      earlier.is_whole = earlier.is_last = false;
      receive.is_whole = false;
    }
  }
  receives_.push_back(receive);
}

// The end of the bytes from `from` on that the receives so far fill without a gap.
std::size_t Script::filled_to(Source source, std::size_t index, std::size_t from) const {
  std::vector<std::pair<std::size_t, std::size_t>> parts;
  for (const Receive& receive : receives_)
    if (receive.source == source && receive.index == index) parts.emplace_back(receive.offset, receive.size);
  std::sort(parts.begin(), parts.end());
  std::size_t end = from;
  for (const auto& [offset, size] : parts)
    if (offset <= end) end = std::max(end, offset + size);
  return end;
}

// A byte that never arrives would leave what an earlier run received there.
void Script::check_coverage() const {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const std::size_t end = filled_to(Source::output, i, 0), used = outputs_[i].relayout.used_bytes();
    if (end < used)
      throw ArgumentError(concat("output ", i, ": nothing is received from byte ", end, " on, of ", used));
  }
}

}  // namespace subgraft::edgetpu
