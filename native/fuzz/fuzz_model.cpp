// Damages .tflite files at random and reads them: every one must load or end in ModelError, in bounded time.
//
//   g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -Isrc fuzz/*.cpp
//     src/model/*.cpp src/core/*.cpp -o fuzz_model     (one command, in native/)
//   ./fuzz_model ROUNDS SEED FILE...
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "core/errors.h"
#include "model/flexbuffer.h"
#include "model/model.h"

namespace {

using File = std::vector<std::byte>;

constexpr double kLongestSeconds = 2.0;  // per file, with sanitizers on

File load(const char* path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

class Damage {
 public:
  explicit Damage(uint64_t seed) : random_(seed) {}

  void apply(File& file) {
    const size_t wounds = 1 + below(3);
    for (size_t i = 0; i < wounds && file.size() >= 16; ++i) wound(file);
  }

 private:
  size_t below(size_t limit) { return static_cast<size_t>(random_() % limit); }

  // Where a 4-byte value may lie; half of the time near the start, where the root's tables are.
  size_t word(const File& file) {
    const size_t span = below(2) ? file.size() : std::min<size_t>(file.size(), 4096);
    return below(span / 4) * 4;
  }

  uint32_t interesting() {
    static constexpr uint32_t kValues[] = {0,          1,          2,          4,          0x7f,       0xff,
                                           0x7fff,     0xffff,     0x10000,    0x7fffffff, 0x80000000, 0x80000001,
                                           0xffffffff, 0xfffffffe, 0x3fffffff, 0x40000000, 0x20000000, 0xfffffff0};
    return kValues[below(std::size(kValues))];
  }

  void store(File& file, size_t at, uint32_t value) {
    if (at + 4 <= file.size()) std::memcpy(file.data() + at, &value, 4);
  }

  void wound(File& file) {
    switch (below(8)) {
      case 0:
        file[below(file.size())] ^= static_cast<std::byte>(1u << below(8));
        return;
      case 1:
        file[below(file.size())] = static_cast<std::byte>(random_());
        return;
      case 2:
        store(file, word(file), interesting());
        return;
      case 3:
        store(file, word(file), static_cast<uint32_t>(below(file.size())));
        return;  // another place in the file
      case 4: {  // a small change of an offset or a length
        const size_t at = word(file);
        uint32_t value;
        if (at + 4 > file.size()) return;
        std::memcpy(&value, file.data() + at, 4);
        store(file, at, value + static_cast<uint32_t>(below(17)) - 8);
        return;
      }
      case 5: {  // a piece of the file over another
        const size_t length = std::min<size_t>(1 + below(64), file.size());
        const size_t from = below(file.size() - length + 1);
        const size_t to = below(file.size() - length + 1);
        std::memmove(file.data() + to, file.data() + from, length);
        return;
      }
      case 6:
        file.resize(1 + below(file.size()));
        return;
      default: {  // many references to one place
        const size_t at = word(file);
        const auto target = static_cast<uint32_t>(below(file.size()));
        for (size_t i = 0; i < below(200); ++i) store(file, at + 4 * i, target - static_cast<uint32_t>(at + 4 * i));
        return;
      }
    }
  }

  std::mt19937_64 random_;
};

// Reads, and where that works also decodes custom options and writes. True when the file loaded.
bool survive(const File& file) {
  try {
    const auto model = subgraft::read_model(file, nullptr);
    for (const auto& subgraph : model->subgraphs)
      for (const auto& op : subgraph.ops)
        if (!op.custom_options.empty()) try {
            subgraft::flexbuffer::decode(op.custom_options);
          } catch (const subgraft::ModelError&) {
          }
    const File written = subgraft::write_model(*model);
    subgraft::read_model(written, nullptr);
    return true;
  } catch (const subgraft::ModelError&) {
    return false;
  } catch (const subgraft::Unsupported&) {
    return true;  // loaded, but cannot be written again
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) {
    std::fprintf(stderr, "usage: fuzz_model ROUNDS SEED FILE...\n");
    return 2;
  }
  const long rounds = std::atol(arguments[1]);
  Damage damage(std::strtoull(arguments[2], nullptr, 10));
  std::vector<File> originals;
  for (int i = 3; i < count; ++i) originals.push_back(load(arguments[i]));
  long loaded = 0;
  double longest = 0;
  for (long round = 0; round < rounds; ++round) {
    File file = originals[static_cast<size_t>(round) % originals.size()];
    damage.apply(file);
    const auto start = std::chrono::steady_clock::now();
    loaded += survive(file);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    longest = std::max(longest, seconds);
    if (seconds > kLongestSeconds) {
      std::fprintf(stderr, "round %ld took %.1f s\n", round, seconds);
      return 1;
    }
  }
  std::printf("%ld files: %ld loaded, %ld refused, the slowest took %.3f s\n", rounds, loaded, rounds - loaded,
              longest);
  return 0;
}
