// AudioSpectrogram and Mfcc: from audio samples to what speech models hear.
#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <limits>
#include <memory>
#include <numbers>
#include <vector>

#include "kernels/families.h"
#include "kernels/fft.h"
#include "model/flexbuffer.h"

namespace subgraft {
namespace {

using Complex = std::complex<double>;

// [samples, channels] to [channels, frames, frequencies]: the transforms of Hann windows.
class Spectrogram {
 public:
  Spectrogram(const Shape& input, int64_t window, int64_t stride, bool squared)
      : samples_(input[0]),
        channels_(input[1]),
        frames_(samples_ < window ? 0 : 1 + (samples_ - window) / stride),
        stride_(stride),
        squared_(squared),
        fft_(static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(window)))),
        window_(static_cast<size_t>(window)) {
    for (size_t i = 0; i < window_.size(); ++i)
      window_[i] =
          0.5 - 0.5 * std::cos((2.0 * std::numbers::pi * static_cast<double>(i)) / static_cast<double>(window));
  }

  int64_t rows() const { return channels_ * frames_; }
  int64_t frames() const { return frames_; }
  int64_t frequencies() const { return fft_.frequencies(); }

  // `work` holds frequencies() numbers.
  void row(const float* in, int64_t row, float* out, Complex* work) const {
    const int64_t channel = row / frames_, first = row % frames_ * stride_;
    std::fill_n(work, frequencies(), Complex{});
    auto* reals = reinterpret_cast<double*>(work);
    for (size_t i = 0; i < window_.size(); ++i)
      reals[i] = static_cast<double>(in[(first + static_cast<int64_t>(i)) * channels_ + channel]) * window_[i];
    fft_(work);
    for (int64_t i = 0; i < frequencies(); ++i) {
      const auto power = static_cast<float>(work[i].real() * work[i].real() + work[i].imag() * work[i].imag());
      out[i] = squared_ ? power : std::sqrt(power);
    }
  }

 private:
  int64_t samples_, channels_, frames_, stride_;
  bool squared_;
  RealFft fft_;
  std::vector<double> window_;
};

Compute prepare_spectrogram(Preparation& p) {
  p.expect(1, 1);
  const Operand& input = p.input(0);
  if (input.dtype != DType::float32 || p.output(0).dtype != DType::float32)
    p.unsupported("input ", dtype_name(input.dtype), " with output ", dtype_name(p.output(0).dtype));
  p.require(input.shape.rank() == 2, "input has shape ", input.shape.text(), ", not [samples, channels]");
  const flexbuffer::Value options = flexbuffer::decode(p.custom_options());
  const int64_t window = options.integer("window_size"), stride = options.integer("stride");
  p.require(window >= 2 && window <= kMaxFftLength, "has a window of ", window, " samples");
  p.require(stride >= 1 && stride <= std::numeric_limits<int32_t>::max(), "has a stride of ", stride, " samples");
  const auto made =
      std::make_shared<const Spectrogram>(input.shape, window, stride, options.boolean("magnitude_squared"));
  p.set_output(0, {input.shape[1], static_cast<int32_t>(made->frames()), static_cast<int32_t>(made->frequencies())});
  const int slot = p.scratch(made->rows() * made->frequencies() * int64_t{sizeof(Complex)});
  return [made, slot](const Invocation& v) {
    const int64_t size = made->frequencies();
    constexpr int64_t kGrain = 2048;  // output elements that are worth a thread
    v.parallel(made->rows(), kGrain / size + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        made->row(v.in<float>(0), i, v.out<float>(0) + i * size, v.scratch<Complex>(slot) + i * size);
    });
  };
}

double mel(double hertz) { return 1127.0 * std::log1p(hertz / 700.0); }

struct MfccOptions {
  float upper, lower;  // frequencies in Hz
  int64_t channels, coefficients;

  explicit MfccOptions(const Preparation& p) {
    const flexbuffer::Value options = flexbuffer::decode(p.custom_options());
    upper = static_cast<float>(options.integer("upper_frequency_limit"));
    lower = static_cast<float>(options.integer("lower_frequency_limit"));
    channels = options.integer("filterbank_channel_count");
    coefficients = options.integer("dct_coefficient_count");
    constexpr int64_t kMostChannels = 4096;
    p.require(channels >= 1 && channels <= kMostChannels, "has ", channels, " filter bank channels");
    p.require(coefficients >= 1 && coefficients <= channels, "has ", coefficients, " coefficients of ", channels,
              " filter bank channels");
    p.require(lower >= 0 && upper > lower, "has frequency limits ", lower, " and ", upper);
  }
};

// Frequencies of squared magnitudes through triangular filters, evenly spaced in mel, then the logarithm and a cosine
// transform.
class Mfcc {
 public:
  Mfcc(const MfccOptions& o, int64_t bins, double sample_rate)
      : bins_(bins), channels_(o.channels), coefficients_(o.coefficients) {
    const double hertz_a_bin = 0.5 * sample_rate / static_cast<double>(bins - 1);
    const auto bin = [](double x) { return static_cast<int64_t>(std::min(x, 2147483647.0)); };
    first_ = bin(1.5 + static_cast<double>(o.lower) / hertz_a_bin);  // never the constant part
    last_ = bin(static_cast<double>(o.upper) / hertz_a_bin);
    place_filters(o, hertz_a_bin);
    const double norm = std::sqrt(2.0 / static_cast<double>(channels_));
    const double step = std::numbers::pi / static_cast<double>(channels_);
    for (int64_t i = 0; i < coefficients_; ++i)
      for (int64_t j = 0; j < channels_; ++j)
        cosines_.push_back(norm * std::cos(static_cast<double>(i) * step * (static_cast<double>(j) + 0.5)));
  }

  int64_t bins() const { return bins_; }
  int64_t channels() const { return channels_; }
  int64_t coefficients() const { return coefficients_; }

  // `bands` holds channels() numbers.
  void row(const float* in, float* out, double* bands) const {
    if (bins_ <= last_) {  // TFLite gives up here and leaves nothing to sum
      std::fill_n(out, coefficients_, 0.f);
      return;
    }
    std::fill_n(bands, channels_, 0.0);
    for (int64_t i = first_; i <= last_; ++i) {
      const Bin& bin = filters_[static_cast<size_t>(i)];
      const double magnitude = std::sqrt(static_cast<double>(in[i])), falling = magnitude * bin.weight;
      if (bin.band >= 0) bands[bin.band] += falling;
      if (bin.band + 1 < channels_) bands[bin.band + 1] += magnitude - falling;
    }
    constexpr double kFloor = 1e-12;
    for (int64_t j = 0; j < channels_; ++j) bands[j] = std::log(bands[j] < kFloor ? kFloor : bands[j]);
    for (int64_t i = 0; i < coefficients_; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < channels_; ++j) sum += cosines_[static_cast<size_t>(i * channels_ + j)] * bands[j];
      out[i] = static_cast<float>(sum);
    }
  }

 private:
  // A bin lies on the falling side of one filter and on the rising side of the next.
  struct Bin {
    int64_t band = -1;
    double weight = 0;  // of the falling side
  };

  void place_filters(const MfccOptions& o, double hertz_a_bin) {
    const double low = mel(static_cast<double>(o.lower));
    const double spacing = (mel(static_cast<double>(o.upper)) - low) / static_cast<double>(channels_ + 1);
    const auto center = [&](int64_t channel) { return low + spacing * static_cast<double>(channel + 1); };
    filters_.resize(static_cast<size_t>(bins_));
    int64_t channel = 0;
    for (int64_t i = first_; i < bins_ && i <= last_; ++i) {
      const double here = mel(static_cast<double>(i) * hertz_a_bin);
      while (channel < channels_ && center(channel) < here) ++channel;
      const int64_t band = channel - 1;
      const double left = band >= 0 ? center(band) : low;
      filters_[static_cast<size_t>(i)] = {band, (center(band + 1) - here) / (center(band + 1) - left)};
    }
  }

  int64_t bins_, channels_, coefficients_;
  int64_t first_ = 0, last_ = 0;  // bins that count
  std::vector<Bin> filters_;
  std::vector<double> cosines_;
};

Compute prepare_mfcc(Preparation& p) {
  p.expect(2, 1);
  const Operand& input = p.input(0);
  if (input.dtype != DType::float32 || p.output(0).dtype != DType::float32)
    p.unsupported("input ", dtype_name(input.dtype), " with output ", dtype_name(p.output(0).dtype));
  p.require(input.shape.rank() == 3 && input.shape[2] >= 2, "input has shape ", input.shape.text(),
            ", not [channels, frames, frequencies]");
  p.require(p.input(1).shape.elements() == 1, "sample rate has shape ", p.input(1).shape.text());
  const MfccOptions options(p);
  const int32_t sample_rate = p.value<int32_t>(1)[0];
  p.require(sample_rate > 0, "sample rate is ", sample_rate);
  p.set_output(0, input.shape.with(2, static_cast<int32_t>(options.coefficients)));
  const int64_t rows = input.shape.product(0, 2);
  if (rows == 0) return [](const Invocation&) {};  // the filters could be any size
  const auto mfcc = std::make_shared<const Mfcc>(options, input.shape[2], sample_rate);
  const int slot = p.scratch(rows * options.channels * int64_t{sizeof(double)});
  return [mfcc, rows, slot](const Invocation& v) {
    v.parallel(rows, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        mfcc->row(v.in<float>(0) + i * mfcc->bins(), v.out<float>(0) + i * mfcc->coefficients(),
                  v.scratch<double>(slot) + i * mfcc->channels());
    });
  };
}

}  // namespace

void register_audio(Registry& registry) {
  registry.add("AudioSpectrogram", prepare_spectrogram);
  registry.add("Mfcc", prepare_mfcc);
}

}  // namespace subgraft
