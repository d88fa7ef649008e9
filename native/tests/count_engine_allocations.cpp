// Counts heap allocations of Edge TPU inferences in steady state, one after the other and two in flight, on both
// speeds.
//
//   count_engine_allocations   prints "<allocations> <speed in Mbit/s>" for each; exits with 1 when any is not 0
#include <cstdio>
#include <vector>

#include "allocations.h"
#include "edgetpu/engine.h"
#include "usb/null_device.h"

namespace {

using namespace subgraft;
using namespace subgraft::edgetpu;

constexpr std::size_t kInput = 50'000, kOutput = 3'000, kPixels = 100, kPixel = 17, kStride = 20;
constexpr int kWarmUpRounds = 20, kRounds = 100;  // the queues of the null device keep what they have grown to

ScriptRequest request() {
  ScriptRequest request;
  request.instructions = {std::vector<std::byte>(10'000)};
  request.inputs = {{kInput, kInput + 8, Flip::bytes}};
  request.outputs = {{kPixels * kPixel, kOutput, Flip::bytes, {{0, 0, kPixels, kPixel, kStride}}}};
  request.steps = {{Step::Kind::send, Tag::instructions, Source::instructions, 0, 0, 10'000},
                   {Step::Kind::send, Tag::input, Source::input, 0, 0, kInput + 8},
                   {Step::Kind::receive, Tag::output, Source::output, 0, 0, kOutput},
                   {.kind = Step::Kind::interrupt}};
  return request;
}

long allocations_at(int speed_mbps) {
  const std::vector<std::byte> input(kInput);
  std::vector<std::byte> output(kPixels * kPixel);
  const std::byte* const inputs[] = {input.data()};
  std::byte* const outputs[] = {output.data()};
  const auto script = std::make_shared<const Script>(request());
  const auto device = std::make_shared<usb::NullDevice>(std::vector(1, std::vector<std::byte>(kOutput)), 1, speed_mbps);
  const auto engine = Engine::open(device, {});
  for (int i = 0; i < kWarmUpRounds + kRounds; ++i) {
    if (i == kWarmUpRounds) count_allocations(true);
    const auto until = usb::Clock::now() + std::chrono::seconds(10);
    engine->run(script, inputs, outputs, 1, until);
    const auto first = engine->submit(script, inputs, outputs, 1), second = engine->submit(script, inputs, outputs, 1);
    engine->wait(first, until);
    engine->wait(second, until);
  }
  count_allocations(false);
  return counted_allocations();
}

}  // namespace

int main() {
  int failed = 0;
  for (const int speed_mbps : {5000, 480}) {
    const long found = allocations_at(speed_mbps);
    std::printf("%ld %d\n", found, speed_mbps);
    if (found != 0) failed = 1;
  }
  return failed;
}
