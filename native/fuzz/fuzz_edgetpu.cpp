// Runs random scripts on random devices: every run must give the right bytes or end in a typed error, in bounded time,
// and leave nothing pending.
//
//   g++ -std=c++20 -O1 -g -fsanitize=address,undefined -Isrc fuzz/fuzz_edgetpu.cpp fuzz/random_device.cpp
//     src/edgetpu/*.cpp src/usb/device.cpp -pthread -o fuzz_edgetpu        (in native/; also with -fsanitize=thread)
//   ./fuzz_edgetpu ROUNDS SEED   (a round: some scripts, one device, some threads with some runs each)
//
// What it has found so far: scratch that a script sends before any came was what the run before had left there.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "core/errors.h"
#include "edgetpu/engine.h"
#include "random_device.h"

namespace {

using namespace subgraft;
using namespace subgraft::edgetpu;
using fuzz::Random;
using Bytes = std::vector<std::byte>;

struct Tally {
  std::atomic<long> right = 0, failed = 0, withdrawn = 0, refused = 0, wrong = 0, late = 0, left_pending = 0;
};

Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random.below(256));
  return bytes;
}

// An output of rows that lie in any order and at any distance.
Output random_output(Random& random) {
  Output output;
  output.flip = static_cast<Flip>(random.below(3));
  const std::int64_t unit = output.flip == Flip::high_bytes ? 2 : 1;
  const auto pixel = static_cast<std::int64_t>(1 + random.below(random.below(4) ? 20 : 80)) * unit;
  std::int64_t source = 0, destination = 0;
  std::vector<Run> runs;
  for (std::size_t i = 1 + random.below(6); i > 0; --i) {
    const auto pixels = static_cast<std::int64_t>(1 + random.below(40));
    const std::int64_t stride = pixel + static_cast<std::int64_t>(random.below(3) ? random.below(8) : 0);
    source += static_cast<std::int64_t>(random.below(10));
    runs.push_back({source, destination, pixels, pixel, stride});
    source += pixels * stride;
    destination += pixels * pixel;
  }
  for (std::size_t i = runs.size(); i > 1; --i) std::swap(runs[i - 1], runs[random.below(i)]);
  output.runs = runs;
  output.tensor_bytes = static_cast<std::size_t>(destination);
  output.padded_bytes = static_cast<std::size_t>(source) + random.below(10);
  return output;
}

void add_receives(Random& random, ScriptRequest& request, std::size_t index) {
  const std::size_t size = request.outputs[index].padded_bytes;
  const std::size_t cut = random.below(3) && size > 1 ? size : 1 + random.below(size);
  std::vector<Step> parts = {{Step::Kind::receive, Tag::output, Source::output, index, 0, cut}};
  if (cut < size) parts.push_back({Step::Kind::receive, Tag::output, Source::output, index, cut, size - cut});
  if (random.below(2)) std::reverse(parts.begin(), parts.end());
  request.steps.insert(request.steps.end(), parts.begin(), parts.end());
}

// The device tells scripts apart by the first byte of what comes first.
ScriptRequest random_request(Random& random, std::size_t id) {
  ScriptRequest request;
  request.scratch_bytes = 1 + random.below(300);
  request.parameters = random_bytes(random, 1 + random.below(2000));
  for (std::size_t i = 1 + random.below(3); i > 0; --i)
    request.instructions.push_back(random_bytes(random, 1 + random.below(3000)));
  request.instructions[0][0] = static_cast<std::byte>(id);
  request.steps.push_back(
      {Step::Kind::send, Tag::instructions, Source::instructions, 0, 0, request.instructions[0].size()});
  for (std::size_t i = random.below(3); i > 0; --i) {
    const auto flip = static_cast<Flip>(random.below(3));
    const std::size_t tensor = 2 * (1 + random.below(2000));
    request.inputs.push_back({tensor, tensor + random.below(16), flip});
  }
  for (std::size_t i = random.below(4); i > 0; --i) request.outputs.push_back(random_output(random));
  std::size_t next_output = 0;
  for (std::size_t i = random.below(12); i > 0; --i) {
    switch (random.below(6)) {
      case 0: {
        const std::size_t chunk = random.below(request.instructions.size());
        request.steps.push_back(
            {Step::Kind::send, Tag::instructions, Source::instructions, chunk, 0, request.instructions[chunk].size()});
        break;
      }
      case 1: {
        if (request.inputs.empty()) break;
        const std::size_t index = random.below(request.inputs.size());
        const Input& input = request.inputs[index];
        const std::size_t offset = random.below(input.padded_bytes) & ~std::size_t{1};
        request.steps.push_back({Step::Kind::send, Tag::input, Source::input, index, offset,
                                 1 + random.below(input.padded_bytes - offset + 8)});
        break;
      }
      case 2: {
        const std::size_t offset = random.below(request.parameters.size());
        request.steps.push_back({Step::Kind::send, Tag::parameters, Source::parameters, 0, offset,
                                 1 + random.below(request.parameters.size() - offset)});
        break;
      }
      case 3: {
        const std::size_t offset = random.below(request.scratch_bytes);
        const bool out = random.below(2);
        if (random.below(2)) request.steps.push_back({});
        request.steps.push_back({out ? Step::Kind::send : Step::Kind::receive, Tag::input, Source::scratch, 0, offset,
                                 1 + random.below(request.scratch_bytes - offset)});
        break;
      }
      case 4:
        if (next_output < request.outputs.size()) add_receives(random, request, next_output++);
        break;
      default:
        request.steps.push_back({.kind = Step::Kind::interrupt, .index = random.below(4)});
    }
  }
  while (next_output < request.outputs.size()) add_receives(random, request, next_output++);
  request.steps.push_back({.kind = Step::Kind::interrupt, .index = 0});
  return request;
}

// Breaks one number; whether it is refused or runs, nothing may be read or written outside.
void damage(Random& random, ScriptRequest& request) {
  const auto value =
      static_cast<std::size_t>(random.below(3) ? random.below(4000) : ~std::uint64_t{0} >> random.below(64));
  Step& step = request.steps[random.below(request.steps.size())];
  std::size_t* numbers[] = {&step.index, &step.offset, &step.size, &request.scratch_bytes};
  if (!request.outputs.empty() && random.below(2)) {
    Output& output = request.outputs[random.below(request.outputs.size())];
    Run& run = output.runs[random.below(output.runs.size())];
    std::int64_t* fields[] = {&run.source, &run.destination, &run.pixels, &run.pixel_bytes, &run.stride};
    *fields[random.below(5)] = static_cast<std::int64_t>(value);
  } else {
    *numbers[random.below(4)] = value;
  }
}

std::byte flipped(std::byte value, std::size_t i, Flip flip) {
  const auto element = static_cast<std::size_t>(flip);
  return element != 0 && i % element == element - 1 ? value ^ std::byte{0x80} : value;
}

// What one run gives, element by element: the outputs of a device that answers as fuzz::answer() does.
std::vector<Bytes> reference(const ScriptRequest& request, const std::vector<Bytes>& inputs) {
  std::vector<Bytes> received, tensors;
  for (const Output& output : request.outputs) received.emplace_back(output.padded_bytes);
  Bytes scratch(request.scratch_bytes);
  std::uint64_t hash = fuzz::kSeed;
  for (std::size_t s = 0; s < request.steps.size(); ++s) {
    const Step& step = request.steps[s];
    if (step.kind == Step::Kind::receive) {
      Bytes& to = step.source == Source::scratch ? scratch : received[step.index];
      for (std::size_t i = 0; i < step.size; ++i) to[step.offset + i] = fuzz::answer(hash, s, i);
    }
    if (step.kind != Step::Kind::send) continue;
    const std::size_t size = step.size;
    for (int i = 0; i < 4; ++i) hash = fuzz::mix(hash, static_cast<std::byte>(size >> (8 * i)));
    hash = fuzz::mix(hash, static_cast<std::byte>(step.tag));
    for (int i = 0; i < 3; ++i) hash = fuzz::mix(hash, std::byte{0});
    for (std::size_t i = step.offset; i < step.offset + size; ++i) {
      std::byte value{0};
      if (step.source == Source::instructions) value = request.instructions[step.index][i];
      if (step.source == Source::parameters) value = request.parameters[i];
      if (step.source == Source::scratch) value = scratch[i];
      if (step.source == Source::input && i < inputs[step.index].size())
        value = flipped(inputs[step.index][i], i, request.inputs[step.index].flip);
      hash = fuzz::mix(hash, value);
    }
  }
  for (std::size_t o = 0; o < request.outputs.size(); ++o) {
    const Output& output = request.outputs[o];
    Bytes tensor(output.tensor_bytes);
    for (const Run& run : output.runs)
      for (std::int64_t p = 0; p < run.pixels; ++p)
        for (std::int64_t b = 0; b < run.pixel_bytes; ++b)
          tensor[static_cast<std::size_t>(run.destination + p * run.pixel_bytes + b)] =
              flipped(received[o][static_cast<std::size_t>(run.source + p * run.stride + b)],
                      static_cast<std::size_t>(b), output.flip);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

struct Known {
  ScriptRequest request;
  std::shared_ptr<const Script> script;
};

// One request of some runs. Throws what the engine throws.
bool run_once(Random& random, Engine& engine, const Known& known, std::chrono::milliseconds patience) {
  const std::size_t runs = known.request.inputs.empty() && known.request.outputs.empty() ? 1 : 1 + random.below(3);
  std::vector<Bytes> inputs, outputs;
  std::vector<const std::byte*> from;
  std::vector<std::byte*> to;
  for (const Input& input : known.request.inputs) inputs.push_back(random_bytes(random, input.tensor_bytes * runs));
  for (const Output& output : known.request.outputs) outputs.emplace_back(output.tensor_bytes * runs);
  for (const Bytes& input : inputs) from.push_back(input.data());
  for (Bytes& output : outputs) to.push_back(output.data());
  const auto until = usb::Clock::now() + patience;
  if (random.below(2))
    engine.run(known.script, from, to, runs, until);
  else
    engine.wait(engine.submit(known.script, from, to, runs), until);
  for (std::size_t run = 0; run < runs; ++run) {
    std::vector<Bytes> given;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto begin = inputs[i].begin() + static_cast<std::ptrdiff_t>(run * known.request.inputs[i].tensor_bytes);
      given.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(known.request.inputs[i].tensor_bytes));
    }
    const std::vector<Bytes> wanted = reference(known.request, given);
    for (std::size_t o = 0; o < outputs.size(); ++o)
      if (std::memcmp(wanted[o].data(), outputs[o].data() + run * wanted[o].size(), wanted[o].size()) != 0)
        return false;
  }
  return true;
}

constexpr std::chrono::milliseconds kPatience{10'000}, kShortPatience{4}, kLate{3000};

void work(std::uint64_t seed, Engine& engine, fuzz::RandomDevice& device, const std::vector<Known>& scripts,
          bool has_faults, Tally& tally) {
  Random random(seed);
  for (std::size_t i = 1 + random.below(6); i > 0; --i) {
    const auto start = usb::Clock::now();
    const auto patience = has_faults || random.below(20) == 0 ? kShortPatience : kPatience;
    try {
      const bool is_right = run_once(random, engine, scripts[random.below(scripts.size())], patience);
      ++(is_right || device.has_lied() ? tally.right : tally.wrong);
    } catch (const edgetpu::Error&) {
      ++(engine.needs_recovery() ? tally.failed : tally.withdrawn);
    } catch (const usb::Error&) {
      ++tally.failed;
    }
    if (usb::Clock::now() - start > (patience == kPatience ? kPatience : kLate)) ++tally.late;
    if (engine.needs_recovery() && random.below(2)) return;
  }
}

void round(std::uint64_t seed, Tally& tally) {
  Random random(seed);
  std::vector<Known> scripts;
  std::vector<std::vector<Step>> steps;
  const bool is_damaged = random.below(4) == 0;
  for (std::size_t i = 1 + random.below(3); i > 0; --i) {
    Known known{random_request(random, scripts.size()), nullptr};
    if (is_damaged) damage(random, known.request);
    try {
      known.script = std::make_shared<Script>(known.request);
    } catch (const ArgumentError&) {
      ++tally.refused;
      continue;
    }
    if (is_damaged) continue;  // what the damage means is anybody's guess; that it was read safely is enough
    steps.push_back(known.request.steps);
    scripts.push_back(std::move(known));
  }
  if (scripts.empty()) return;
  const bool has_faults = random.below(2);
  const int speed = random.below(2) ? 5000 : 480;
  auto device = std::make_shared<fuzz::RandomDevice>(steps, speed, has_faults, random.below(~std::uint64_t{0}));
  EngineOptions options{.max_bulk_out_bytes = 1 + random.below(random.below(2) ? 64 : 4000),
                        .bulk_outs = 1 + static_cast<int>(random.below(4)),
                        .header_apart = random.below(2) == 1};
  if (random.below(3) == 0) options.read_chunk_bytes = 64 << random.below(6);
  auto engine = Engine::open(device, options);
  std::vector<std::thread> threads;
  for (std::size_t i = random.below(4); i > 0; --i)
    threads.emplace_back(work, random.below(~std::uint64_t{0}), std::ref(*engine), std::ref(*device),
                         std::cref(scripts), has_faults, std::ref(tally));
  work(random.below(~std::uint64_t{0}), *engine, *device, scripts, has_faults, tally);
  for (std::thread& thread : threads) thread.join();
  if (random.below(2) && !engine->drain()) ++tally.left_pending;
  engine.reset();
  if (device->pending() != 0) ++tally.left_pending;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: %s ROUNDS SEED\n", argv[0]), 2;
  const long rounds = std::atol(argv[1]);
  const auto seed = static_cast<std::uint64_t>(std::atoll(argv[2]));
  Tally tally;
  for (long i = 0; i < rounds; ++i) {
    const long wrong = tally.wrong, late = tally.late, left = tally.left_pending;
    round(seed * 1'000'003 + static_cast<std::uint64_t>(i), tally);
    if (tally.wrong != wrong || tally.late != late || tally.left_pending != left)
      std::printf("round %ld: wrong %ld, late %ld, left pending %ld\n", i, tally.wrong - wrong, tally.late - late,
                  tally.left_pending - left);
  }
  std::printf("%ld right, %ld failed, %ld withdrawn, %ld refused; %ld wrong, %ld late, %ld left pending\n",
              tally.right.load(), tally.failed.load(), tally.withdrawn.load(), tally.refused.load(), tally.wrong.load(),
              tally.late.load(), tally.left_pending.load());
  return tally.wrong || tally.late || tally.left_pending ? 1 : 0;
}
