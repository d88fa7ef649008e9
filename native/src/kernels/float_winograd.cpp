#include "kernels/float_winograd.h"

#include <array>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <vector>

#include "core/fixed_point.h"
#include "kernels/float_gemm.h"
#include "micro/winograd.h"

namespace subgraft {
namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr int kFilter = 3;

bool can_be_used(const Preparation& p, const ConvGeometry& g) {
  const auto fits = [](const Window& w) { return w.filter == kFilter && w.stride == 1 && w.dilation == 1; };
  return fits(g.y) && fits(g.x) && g.groups == 1 && p.input(1).is_constant() && g.pixels() > 0;
}

int64_t blocks_along(const Window& w) { return (w.out + kWinogradOut - 1) / kWinogradOut; }
int64_t blocks_of(const ConvGeometry& g) { return g.batches * blocks_along(g.y) * blocks_along(g.x); }

// In cycles of a processor with two multipliers of 16 lanes.
bool wins(const ConvGeometry& g) {
  constexpr int64_t kFewestBlocks = 14;        // else the weights, which are four times as large, take the time
  constexpr int64_t kMostWeights = 128 * 128;  // of one tap: so that a model does not need much more memory
  constexpr int64_t kTransform = 120;          // of a block and a vector of channels, either way
  constexpr double kWorthIt = 1.2;
  if (g.channels_in < kFloatSlice || g.channels_out < kFloatSlice / 2) return false;
  if (blocks_of(g) < kFewestBlocks || int64_t{g.channels_in} * g.channels_out > kMostWeights) return false;
  const int64_t of_tap = g.channels_in * float_slices(g.channels_out) / 2;
  const int64_t vectors = float_slices(g.channels_in) + float_slices(g.channels_out);
  const int64_t here = blocks_of(g) * (kWinogradProducts * of_tap + kTransform * vectors);
  return static_cast<double>(here) * kWorthIt < static_cast<double>(g.pixels() * kFilter * kFilter * of_tap);
}

bool is_asked_for(const Preparation& p, const ConvGeometry& g) {
  const char* asked = std::getenv("SUBGRAFT_WINOGRAD");
  if (asked && std::string_view(asked) == "never") return false;
  const bool always = asked && std::string_view(asked) == "always";
  return can_be_used(p, g) && (always || wins(g));
}

// For each point the values of 1, x and x * x there, over the product of its distances from the other points.
using FilterTransform = std::array<std::array<double, kFilter>, kWinogradIn>;

FilterTransform filter_transform() {
  constexpr double kPoints[] = {0, kWinogradNear, -kWinogradNear, kWinogradFar, -kWinogradFar};
  FilterTransform transform{};
  for (size_t i = 0; i < std::size(kPoints); ++i) {
    double distances = 1;
    for (size_t j = 0; j < std::size(kPoints); ++j)
      if (j != i) distances *= kPoints[i] - kPoints[j];
    for (size_t power = 0; power < kFilter; ++power)
      transform[i][power] = (power == 0 ? 1 : power == 1 ? kPoints[i] : kPoints[i] * kPoints[i]) / distances;
  }
  transform[kWinogradIn - 1] = {0, 0, 1};  // infinity
  return transform;
}

// One filter, [3, 3, depth], as kWinogradProducts rows of `depth` numbers, `step` apart: its columns, then its rows.
void transform_filter(const FilterTransform& transform, const float* filter, int64_t depth, float* to, int64_t step) {
  constexpr int64_t kChannels = 64;  // at a time, on the stack
  double half[kWinogradIn][kFilter][kChannels];
  for (int64_t begin = 0; begin < depth; begin += kChannels) {
    const int64_t count = std::min(kChannels, depth - begin);
    for (size_t y = 0; y < kWinogradIn; ++y)
      for (size_t x = 0; x < kFilter; ++x)
        for (int64_t i = 0; i < count; ++i) {
          const float* from = filter + static_cast<int64_t>(x) * depth + begin + i;
          half[y][x][i] = transform[y][0] * from[0] + transform[y][1] * from[kFilter * depth] +
                          transform[y][2] * from[2 * kFilter * depth];
        }
    for (size_t product = 0; product < kWinogradProducts; ++product) {
      const auto& columns = half[product / kWinogradIn];
      const auto& factors = transform[product % kWinogradIn];
      float* row = to + static_cast<int64_t>(product) * step + begin;
      for (int64_t i = 0; i < count; ++i)
        row[i] =
            static_cast<float>(factors[0] * columns[0][i] + factors[1] * columns[1][i] + factors[2] * columns[2][i]);
    }
  }
}

// Weights [channels_out, 3, 3, channels_in] as kWinogradProducts matrices of packed columns, made slice by slice.
Arena transformed_weights(const ConvGeometry& g, const FloatGemm& gemm, const float* weights) {
  const FilterTransform transform = filter_transform();
  const int64_t depth = g.depth, matrix = packed_floats(g.channels_out, depth), slice = kFloatSlice * depth;
  Arena packed(kWinogradProducts * matrix * kFloat);
  std::vector<float> rows(static_cast<size_t>(kWinogradProducts * slice));
  for (int64_t first = 0; first < g.channels_out; first += kFloatSlice) {
    const int64_t channels = std::min<int64_t>(kFloatSlice, g.channels_out - first);
    for (int64_t i = 0; i < channels; ++i)
      transform_filter(transform, weights + (first + i) * g.taps(), depth, rows.data() + i * depth, slice);
    for (int64_t product = 0; product < kWinogradProducts; ++product)
      pack_float_columns(gemm, ColumnsLie::in_rows, rows.data() + product * slice, channels, depth,
                         reinterpret_cast<float*>(packed.data()) + product * matrix + first * depth);
  }
  return packed;
}

// Everything that a run needs to know; the closure holds one.
struct Layer {
  ConvGeometry g;
  const FloatGemm* gemm;
  const Winograd* winograd;
  bool biased;
  FloatFollowers followers;
  std::shared_ptr<const Arena> weights;
  Arena zeros;          // the channels of a pixel outside the image
  int64_t most, parts;  // blocks at a time, and parts of all with scratch memory of their own
  int scratch;

  int64_t windows_floats() const { return kWinogradProducts * most * g.channels_in; }
  int64_t sums_floats() const { return kWinogradProducts * most * g.channels_out; }
};

// A block of outputs by its first one.
struct Place {
  int64_t batch, y, x;

  Place(const ConvGeometry& g, int64_t block) {
    const int64_t in_row = blocks_along(g.x), in_image = blocks_along(g.y) * in_row;
    batch = block / in_image;
    y = (block % in_image) / in_row * kWinogradOut;
    x = block % in_row * kWinogradOut;
  }
};

void transform_window(const Layer& layer, const float* in, int64_t block, float* to, int64_t step) {
  const ConvGeometry& g = layer.g;
  const Place place(g, block);
  const float* image = in + place.batch * g.image();
  WinogradWindow window;
  for (int i = 0; i < kWinogradProducts; ++i) {
    const int64_t y = g.y.origin(place.y) + i / kWinogradIn, x = g.x.origin(place.x) + i % kWinogradIn;
    const bool inside = y >= 0 && y < g.y.in && x >= 0 && x < g.x.in;
    window.pixels[i] =
        inside ? image + (y * g.x.in + x) * g.channels_in : reinterpret_cast<const float*>(layer.zeros.data());
  }
  window.channels = g.channels_in;
  window.to = to;
  window.step = step;
  layer.winograd->transform(window);
}

void finish_block(const Layer& layer, const Invocation& v, int64_t block, const float* sums, int64_t step) {
  const ConvGeometry& g = layer.g;
  const Place place(g, block);
  const int64_t row = int64_t{g.x.out} * g.channels_out;
  const int64_t first = place.batch * g.outputs() + place.y * row + place.x * g.channels_out;
  const int rows = static_cast<int>(std::min<int64_t>(kWinogradOut, g.y.out - place.y));
  const int columns = static_cast<int>(std::min<int64_t>(kWinogradOut, g.x.out - place.x));
  layer.winograd->finish({sums, step, g.channels_out, layer.biased ? v.in<float>(2) : nullptr,
                          layer.followers.range.min, layer.followers.range.max, v.out<float>(0) + first, row,
                          g.channels_out, rows, columns});
  if (!layer.followers.then.apply) return;
  for (int64_t at = first; at < first + rows * row; at += row) {
    const FloatEpilogue then = layer.followers.at(v, at, 0);
    then.apply(then, v.out<float>(0) + at, g.channels_out, columns, g.channels_out);
  }
}

// Blocks [begin, end), at most layer.most of them.
void convolve(const Layer& layer, const Invocation& v, int64_t begin, int64_t end, float* windows, float* sums) {
  const int64_t count = end - begin, depth = layer.g.channels_in, columns = layer.g.channels_out;
  const auto* weights = reinterpret_cast<const float*>(layer.weights->data());
  for (int64_t i = 0; i < count; ++i)
    transform_window(layer, v.in<float>(0), begin + i, windows + i * depth, count * depth);
  for (int64_t product = 0; product < kWinogradProducts; ++product)
    layer.gemm->multiply({{windows + product * count * depth, count, depth, 1, depth, 0},
                          weights + product * packed_floats(columns, depth),
                          kFloatSlice * depth,
                          columns,
                          {sums + product * count * columns, columns, nullptr, std::numeric_limits<float>::lowest(),
                           std::numeric_limits<float>::max()}});
  for (int64_t i = 0; i < count; ++i) finish_block(layer, v, begin + i, sums + i * columns, count * columns);
}

}  // namespace

Compute conv_by_winograd(Preparation& p, const ConvGeometry& g, const FloatFollowers& followers) {
  constexpr int64_t kBytes = 768 * 1024, kFewest = 14, kMost = 56;  // windows and sums stay in the L2 cache
  const Winograd* transformations = winograd();
  const FloatGemm* gemm = float_gemm();
  if (!transformations || !gemm || !is_asked_for(p, g)) return {};
  auto layer = std::make_shared<Layer>();
  layer->g = g;
  layer->gemm = gemm;
  layer->winograd = transformations;
  layer->biased = p.has_input(2);
  layer->followers = followers;
  layer->zeros = Arena(g.channels_in * kFloat);
  layer->weights = p.shared<Arena>(1, "winograd", [&] {
    return transformed_weights(g, *gemm, reinterpret_cast<const float*>(p.input(1).constant));
  });
  p.release(1);
  const int64_t of_block = kWinogradProducts * (g.channels_in + g.channels_out) * kFloat;
  layer->most = std::min(blocks_of(g), std::clamp(kBytes / of_block, kFewest, kMost));
  layer->parts = std::clamp<int64_t>(g.pixels() * g.taps() * g.channels_out / kProductsOfThread, 1, p.threads());
  layer->scratch = p.scratch(layer->parts * (layer->windows_floats() + layer->sums_floats()) * kFloat);
  return [layer](const Invocation& v) {
    const int64_t blocks = blocks_of(layer->g);
    v.parallel(layer->parts, 1, [&](int64_t first, int64_t last) {
      float* windows = v.scratch<float>(layer->scratch) + first * (layer->windows_floats() + layer->sums_floats());
      float* sums = windows + layer->windows_floats();
      const int64_t end = blocks * last / layer->parts;
      for (int64_t block = blocks * first / layer->parts; block < end; block += layer->most)
        convolve(*layer, v, block, std::min(end, block + layer->most), windows, sums);
    });
  };
}

}  // namespace subgraft
