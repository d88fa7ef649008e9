// RANDOM_UNIFORM, RANDOM_STANDARD_NORMAL and MULTINOMIAL: the numbers that TensorFlow draws with the same seeds.
// STABLEHLO_RNG_BIT_GENERATOR: bits that follow from a state, and the state after them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>

#include "kernels/families.h"
#include "kernels/philox.h"
#include "runtime/resources.h"

namespace subgraft {
namespace {

// Two seeds of 0 ask for other numbers in each program. As in TFLite, 32 bits of each count.
Philox seeded(const Preparation& p) {
  const auto seed = [&p](const char* name) {
    return static_cast<uint64_t>(int64_t{static_cast<int32_t>(static_cast<uint32_t>(p.options().integer(name)))});
  };
  const uint64_t key = seed("seed"), stream = seed("seed2");
  if (key != 0 || stream != 0) return {key, stream};
  std::random_device device;
  const auto draw = [&device] { return uint64_t{device()} << 32 | device(); };
  return {draw(), draw()};
}

// A generator that goes on where the run before left it, also where a shape known only while running has the op
// prepared again on each run.
std::shared_ptr<Philox> generator(Preparation& p, bool prepared_once) {
  p.has_effects();
  const auto make = [&p] { return std::make_shared<Philox>(seeded(p)); };
  return prepared_once ? make() : p.resources().kept<Philox>(&p.options(), make);
}

// fill(block, first element, elements) makes up to four elements of each block of bits.
template <typename Fill>
Compute prepare_filled(Preparation& p, Fill fill) {
  p.expect(1, 1);
  p.require(p.input(0).shape.rank() == 1, "shape has shape ", p.input(0).shape.text(), ", not [rank]");
  if (p.output(0).dtype != DType::float32) p.unsupported("output ", dtype_name(p.output(0).dtype));
  const auto dims = p.value<int32_t>(0);
  const Shape shape{dims};
  p.set_output(0, shape);
  return [philox = generator(p, p.input(0).is_constant()), count = shape.elements(), fill](const Invocation& v) {
    float* out = v.out<float>(0);
    for (int64_t i = 0; i < count; i += 4) fill((*philox)(), out + i, std::min<int64_t>(4, count - i));
  };
}

Compute prepare_random_uniform(Preparation& p) {
  return prepare_filled(p, [](const Philox::Block& bits, float* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = uniform(bits[static_cast<size_t>(i)]);
  });
}

Compute prepare_random_standard_normal(Preparation& p) {
  return prepare_filled(p, [](const Philox::Block& bits, float* out, int64_t count) {
    const std::array<float, 2> pairs[] = {normal(bits[0], bits[1]), normal(bits[2], bits[3])};
    for (int64_t i = 0; i < count; ++i) out[i] = pairs[i / 2][static_cast<size_t>(i % 2)];
  });
}

// Draws the numbers of classes, each as often as its logit asks.
template <typename T>
class Multinomial {
 public:
  Multinomial(Preparation& p, int64_t batch, int64_t classes, int64_t samples, bool prepared_once)
      : batch_(batch), classes_(classes), samples_(samples), philox_(generator(p, prepared_once)) {
    sum_slot_ = p.scratch(classes * int64_t{sizeof(double)});
  }

  void operator()(const Invocation& v) const {
    Philox philox = *philox_;
    // What TensorFlow's kernel leaves out: a multiple of what any of its versions may have drawn.
    philox_->skip(static_cast<uint64_t>(batch_ * ((samples_ + 3) / 4 * 4)) * 2 * 256);
    auto* sums = v.scratch<double>(sum_slot_);
    Philox::Block bits{};
    size_t used = bits.size();
    for (int64_t b = 0; b < batch_; ++b) {
      const double total = accumulate(v.in<float>(0) + b * classes_, sums);
      for (int64_t i = 0; i < samples_; ++i) {
        if (used == bits.size()) {
          bits = philox();
          used = 0;
        }
        const double wanted = uniform(bits[used], bits[used + 1]) * total;
        used += 2;
        // The number of classes where no logit is finite.
        v.out<T>(0)[b * samples_ + i] = static_cast<T>(std::upper_bound(sums, sums + classes_, wanted) - sums);
      }
    }
  }

 private:
  // Sums of the odds up to each class; infinite and undefined logits count as impossible.
  double accumulate(const float* logits, double* sums) const {
    float largest = std::numeric_limits<float>::lowest();
    for (int64_t c = 0; c < classes_; ++c)
      if (std::isfinite(logits[c])) largest = std::max(largest, logits[c]);
    double total = 0;
    for (int64_t c = 0; c < classes_; ++c) {
      if (std::isfinite(logits[c])) total += std::exp(static_cast<double>(logits[c]) - static_cast<double>(largest));
      sums[c] = total;
    }
    return total;
  }

  int64_t batch_, classes_, samples_;
  std::shared_ptr<Philox> philox_;
  int sum_slot_ = 0;
};

Compute prepare_multinomial(Preparation& p) {
  p.expect(2, 1);
  const Operand& logits = p.input(0);
  if (logits.dtype != DType::float32) p.unsupported("logits are ", dtype_name(logits.dtype));
  p.require(logits.shape.rank() == 2 && logits.shape[1] > 0, "logits have shape ", logits.shape.text(),
            ", not [batch, classes]");
  p.require(p.input(1).shape.rank() == 0, "number of samples has shape ", p.input(1).shape.text());
  const int32_t samples = p.value<int32_t>(1)[0];
  p.require(samples >= 0, samples, " samples");
  p.set_output(0, {logits.shape[0], samples});
  const bool once = p.input(1).is_constant();
  const DType out = p.output(0).dtype;
  if (out == DType::int32) return Multinomial<int32_t>(p, logits.shape[0], logits.shape[1], samples, once);
  if (out == DType::int64) return Multinomial<int64_t>(p, logits.shape[0], logits.shape[1], samples, once);
  p.unsupported("output ", dtype_name(out));
}

// make(position) gives so many 32-bit words; as many as needed are written, and the position after them returned.
template <typename Make>
uint64_t write_words(uint32_t* out, int64_t count, uint64_t position, Make&& make) {
  for (int64_t i = 0; i < count; ++position) {
    const auto words = make(position);
    const int64_t wanted = std::min<int64_t>(static_cast<int64_t>(words.size()), count - i);
    std::copy_n(words.begin(), wanted, out + i);
    i += wanted;
  }
  return position;
}

// The state is a key, a position and perhaps the stream, which is the key otherwise. A function of its input.
Compute prepare_rng_bit_generator(Preparation& p) {
  constexpr int64_t kDefault = 0, kThreefry = 2;  // RngAlgorithm of the schema; 0 and 1 are Philox
  p.expect(1, 2);
  const Operand& state = p.input(0);
  const int64_t algorithm = p.options().integer("algorithm");
  p.require(algorithm >= kDefault && algorithm <= kThreefry, "algorithm ", algorithm, " does not exist");
  p.require(state.dtype == DType::uint64 && p.output(0).dtype == DType::uint64, "states are ", dtype_name(state.dtype),
            " and ", dtype_name(p.output(0).dtype));
  const int64_t parts = state.shape.elements();
  p.require(state.shape.rank() == 1 && (parts == 2 || (parts == 3 && algorithm != kThreefry)), "state has shape ",
            state.shape.text());
  const DType dtype = p.output(1).dtype;
  const int words = dtype_bits(dtype) / 32;
  if (dtype != DType::int32 && dtype != DType::uint32 && dtype != DType::int64 && dtype != DType::uint64)
    p.unsupported("output ", dtype_name(dtype));
  p.set_output(0, state.shape);
  p.set_output(1, p.output(1).shape);  // only the file tells
  return
      [parts, count = p.output(1).shape.elements() * words, is_philox = algorithm != kThreefry](const Invocation& v) {
        const auto* in = v.in<uint64_t>(0);
        const uint64_t key = in[0], stream = in[parts == 3 ? 2 : 0];
        auto* bits = v.out<uint32_t>(1);
        std::copy_n(in, parts, v.out<uint64_t>(0));
        v.out<uint64_t>(0)[1] =
            is_philox ? write_words(bits, count, in[1], [&](uint64_t at) { return Philox::block(key, at, stream); })
                      : write_words(bits, count, in[1], [&](uint64_t at) { return threefry(key, at); });
      };
}

}  // namespace

void register_random(Registry& registry) {
  registry.add("MULTINOMIAL", prepare_multinomial);
  registry.add("RANDOM_STANDARD_NORMAL", prepare_random_standard_normal);
  registry.add("RANDOM_UNIFORM", prepare_random_uniform);
  registry.add("STABLEHLO_RNG_BIT_GENERATOR", prepare_rng_bit_generator);
}

}  // namespace subgraft
