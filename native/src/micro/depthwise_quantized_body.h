// DEPTHWISE_CONV_2D with integer activations for any instruction set, whose lanes are included before.
#pragma once

#include "micro/depthwise_quantized_finish_body.h"

namespace subgraft {
namespace {

// Rows of the input for one group of output rows.
struct SourceRows {
  const std::byte* row[4 * kDepthwiseGroups];
};

// Where the channels and columns of one task lie.
struct Block {
  int64_t first, width;  // channels
  int32_t x, columns;    // of the outputs
};

// Values of 4 / in_bytes rows.
inline void interleave_rows(const Layer& layer, const std::byte* const* rows, int64_t count, std::byte* to) {
  if (layer.in_bytes == 2)
    interleave_pairs(rows, count, to);
  else
    interleave(rows, count, layer.is_signed ? 0x80 : 0, to);
}

inline void fill(std::byte* to, int64_t count, uint32_t value) {
  for (int64_t i = 0; i < count; ++i) __builtin_memcpy(to + 4 * i, &value, 4);
}

// Every element `multiplier` times, from the copy with number `skipped` of the first one on, `count` in all.
void repeat(const std::byte* from, int64_t count, int64_t multiplier, int64_t skipped, std::byte* to) {
  for (int64_t left = multiplier - skipped; count > 0; from += 4, left = multiplier) {
    uint32_t value;
    __builtin_memcpy(&value, from, 4);
    const int64_t copies = left < count ? left : count;
    fill(to, copies, value);
    to += 4 * copies;
    count -= copies;
  }
}

// Columns of a plane that so many outputs begin at, and those between them.
inline int64_t plane_columns(const Layer& layer, int64_t outputs) { return (outputs - 1) * layer.plane_step + 1; }

// Where several outputs share an input channel, rows are interleaved once, then repeated: the part of a plane inside
// the image, columns begin to end. shared: room for a row of the input.
void repeat_columns(const Layer& layer, const DepthwisePlane& plane, const Block& block, const std::byte* shared,
                    int64_t begin, int64_t end, std::byte* to) {
  const int64_t first = block.first / layer.multiplier, skipped = block.first % layer.multiplier;
  for (int64_t column = begin; column < end; ++column, to += 4 * block.width) {
    const std::byte* from = shared + 4 * ((column * layer.plane_stride + plane.first) * layer.channels_in + first);
    if (layer.multiplier == 8 && block.width == 8) {
      uint32_t value;
      __builtin_memcpy(&value, from, 4);
      fill(to, 8, value);
    } else {
      repeat(from, block.width, layer.multiplier, skipped, to);
    }
  }
}

// Columns begin to end of a plane; those outside the image are zero points. rows: the first column of the image.
// shared: the same rows interleaved, where the layer has a multiplier.
void copy_plane(const Layer& layer, const DepthwisePlane& plane, const Block& block, const std::byte* const* rows,
                const std::byte* shared, uint32_t zero, std::byte* to) {
  const int64_t pitch = 4 * block.width, stride = layer.plane_stride;
  int64_t column = block.x * layer.plane_step + plane.low;
  const int64_t end = column + plane_columns(layer, block.columns) + plane.extent;
  if (column < 0) {
    const int64_t outside = (end < 0 ? end : 0) - column;
    fill(to, outside * block.width, zero);
    to += outside * pitch;
    column += outside;
  }
  const int64_t inside = plane.first < layer.in_width ? (layer.in_width - 1 - plane.first) / stride + 1 : 0;
  const int64_t last = end < inside ? end : inside;
  const std::byte* from[4];
  const int interleaved = 4 / layer.in_bytes;
  if (column < last && layer.multiplier > 1) {
    repeat_columns(layer, plane, block, shared, column, last, to);
    to += (last - column) * pitch;
    column = last;
  }
  if (column < last && stride == 1 && block.width == layer.channels_in) {
    for (int i = 0; i < interleaved; ++i) from[i] = rows[i] + column * block.width * layer.in_bytes;
    interleave_rows(layer, from, (last - column) * block.width, to);
    to += (last - column) * pitch;
    column = last;
  }
  for (; column < last; ++column, to += pitch) {
    const int64_t at = (column * stride + plane.first) * layer.channels_in + block.first;
    for (int i = 0; i < interleaved; ++i) from[i] = rows[i] + at * layer.in_bytes;
    interleave_rows(layer, from, block.width, to);
  }
  if (column < end) fill(to, (end - column) * block.width, zero);
}

// Distances in the buffer.
struct Distances {
  int64_t plane[kDepthwiseColumns];
  int64_t step[kDepthwiseSteps];
};

void measure(const Layer& layer, int64_t width, Distances& distances) {
  int64_t group_bytes = 0;
  for (int p = 0; p < layer.planes; ++p) {
    distances.plane[p] = group_bytes;
    group_bytes += 4 * width * (plane_columns(layer, layer.strip) + layer.plane[p].extent);
  }
  for (int tap = 0; tap < layer.filter_width; ++tap)
    for (int group = 0; group < layer.groups; ++group)
      distances.step[tap * layer.groups + group] =
          group * group_bytes + distances.plane[layer.tap_plane[tap]] + 4 * width * layer.tap_column[tap];
}

// Consecutive vectors of one place in the unit.
struct Run {
  const std::byte* from;
  std::byte* to;
  int64_t from_step, to_step;  // bytes
  int64_t count;
  int64_t part;  // outputs of a last, shorter vector
};

template <bool pairs>
[[gnu::always_inline]] inline auto column_of(const std::byte* p) {
  if constexpr (pairs)
    return Pairs{load_vector(p)};
  else
    return column(p);
}

// rows and stored: rows and parts of the records; active and parts: those that are computed.
template <typename Finish, int steps, int rows, int active, int stored, int parts>
void convolve(const Call& call, const std::byte* record, const Distances& distances, const Run& run,
              int64_t row_distance) {
  const Finish finish(call, record);
  const Ints start = load_vector(record);
  const std::byte* weights = record + kDepthwiseHead * kVectorBytes;
  constexpr int kept = steps > 0 ? steps : 1;
  Ints w[kept * active * parts];
  if constexpr (steps > 0) {
    for (int i = 0; i < steps; ++i)
      for (int r = 0; r < active; ++r)
        for (int p = 0; p < parts; ++p)
          w[(i * active + r) * parts + p] = load_vector(weights + ((i * rows + r) * stored + p) * kVectorBytes);
  }
  // sums: [row][output], of `count` outputs.
  const auto sum_up = [&]<int count>(const std::byte* from, Ints(*sums)[count]) __attribute__((always_inline)) {
    for (int r = 0; r < active; ++r)
      for (int t = 0; t < count; ++t) sums[r][t] = start;
    if constexpr (steps > 0) {
#pragma GCC unroll 16
      for (int i = 0; i < steps; ++i) {
#pragma GCC unroll 4
        for (int t = 0; t < count; ++t) {
          const auto x = column_of<Finish::kPairs>(from + t * run.from_step + distances.step[i]);
          for (int r = 0; r < active; ++r) sums[r][t] = dot<parts>(sums[r][t], x, w + (i * active + r) * parts);
        }
      }
    } else {
      const std::byte* at = weights;
      for (int i = 0; i < call.layer->steps; ++i, at += rows * stored * kVectorBytes) {
        Ints taps[active][parts];
        for (int r = 0; r < active; ++r)
          for (int p = 0; p < parts; ++p) taps[r][p] = load_vector(at + (r * stored + p) * kVectorBytes);
#pragma GCC unroll 4
        for (int t = 0; t < count; ++t) {
          const auto x = column_of<Finish::kPairs>(from + t * run.from_step + distances.step[i]);
          for (int r = 0; r < active; ++r) sums[r][t] = dot<parts>(sums[r][t], x, taps[r]);
        }
      }
    }
  };
  const auto store_together = [&](const std::byte* from, std::byte* to) __attribute__((always_inline)) {
    Ints sums[active][kTogether];
    sum_up(from, sums);
    for (int r = 0; r < active; ++r) finish_together(finish, to + r * row_distance, run.to_step, sums[r]);
  };
  const std::byte* from = run.from;
  std::byte* to = run.to;
  int64_t i = 0;
  for (; i + kTogether <= run.count; i += kTogether) store_together(from + i * run.from_step, to + i * run.to_step);
  // Several that are left are computed together with some that were before.
  if (i > 0 && i + 2 <= run.count) {
    i = run.count - kTogether;
    store_together(from + i * run.from_step, to + i * run.to_step);
    i = run.count;
  }
  from += i * run.from_step;
  to += i * run.to_step;
  for (; i < run.count; ++i, from += run.from_step, to += run.to_step) {
    Ints sums[active][1];
    sum_up(from, sums);
    for (int r = 0; r < active; ++r) finish(to + r * row_distance, sums[r][0]);
  }
  if (run.part == 0) return;
  Ints sums[active][1];
  sum_up(from, sums);
  for (int r = 0; r < active; ++r) {
    alignas(64) std::byte all[kLanes * Finish::kOutputBytes];
    finish(all, sums[r][0]);
    __builtin_memcpy(to + r * row_distance, all, static_cast<size_t>(run.part * Finish::kOutputBytes));
  }
}

using Convolve = void (*)(const Call&, const std::byte*, const Distances&, const Run&, int64_t);

template <typename Finish, int steps, int stored, int parts>
Convolve choose_rows(int rows, int active) {
  if (rows == 1) return convolve<Finish, steps, 1, 1, stored, parts>;
  return active == 1 ? convolve<Finish, steps, 2, 1, stored, parts> : convolve<Finish, steps, 2, 2, stored, parts>;
}

template <typename Finish, int steps>
Convolve choose_parts(const Layer& layer, int active, int parts) {
  if constexpr (!kPairedWeights) {
    if (layer.parts == 1) return choose_rows<Finish, steps, 1, 1>(layer.rows, active);
    if (parts == 1) return choose_rows<Finish, steps, 2, 1>(layer.rows, active);
  }
  return choose_rows<Finish, steps, 2, 2>(layer.rows, active);
}

template <typename Finish, int kept>
Convolve choose_steps(const Layer& layer, int active, int parts) {
  if (layer.steps == kept) return choose_parts<Finish, kept>(layer, active, parts);
  return choose_parts<Finish, 0>(layer, active, parts);
}

// parts: those that the vector's weights need. The weights of a filter of 3 x 3 stay in registers.
Convolve choose(const Layer& layer, int active, int parts) {
  switch (layer.finish) {
    case DepthwiseFinish::quick:
      return choose_steps<QuickFinish<true>, 3>(layer, active, parts);
    case DepthwiseFinish::rectified:
      return choose_steps<QuickFinish<false>, 3>(layer, active, parts);
    case DepthwiseFinish::careful:
      return choose_parts<CarefulFinish, 0>(layer, active, parts);
    case DepthwiseFinish::real:
      return choose_steps<RealFinish, 3>(layer, active, parts);
    case DepthwiseFinish::wide:
      break;
  }
  return layer.steps == 6 ? choose_rows<WideFinish, 6, 1, 1>(layer.rows, active)
                          : choose_rows<WideFinish, 0, 1, 1>(layer.rows, active);
}

// One block of channels in one group of output rows. to: the first row, channel 0.
void convolve_block(const Call& call, Block block, const SourceRows& rows, int active, std::byte* to,
                    std::byte* buffer) {
  const Layer& layer = *call.layer;
  Distances distances;
  measure(layer, block.width, distances);
  const Convolve one_part = choose(layer, active, 1), all_parts = choose(layer, active, layer.parts);
  const std::byte* table = call.table + block.first / layer.block * layer.vectors * layer.record_bytes;
  const int64_t lanes = layer.unit * block.width, vectors = (lanes + kLanes - 1) / kLanes;
  const int64_t row_distance = int64_t{layer.dilation_y} * layer.out_width * layer.channels * layer.out_bytes;
  const int interleaved = 4 / layer.in_bytes;
  for (block.x = 0; block.x < layer.out_width; block.x += block.columns) {
    block.columns = layer.strip < layer.out_width - block.x ? layer.strip : layer.out_width - block.x;
    const int64_t group_bytes = layer.groups > 1 ? distances.step[1] - distances.step[0] : 0;
    std::byte* const shared = buffer + layer.shared_offset;
    for (int group = 0; group < layer.groups; ++group) {
      if (layer.multiplier > 1)
        interleave_rows(layer, rows.row + interleaved * group, int64_t{layer.in_width} * layer.channels_in, shared);
      for (int p = 0; p < layer.planes; ++p)
        copy_plane(layer, layer.plane[p], block, rows.row + interleaved * group, shared, call.zero,
                   buffer + group * group_bytes + distances.plane[p]);
    }
    const int64_t total = block.columns * block.width;
    for (int64_t n = 0; n < vectors; ++n) {
      int64_t lane = n * kLanes;
      if (layer.unit == 1 && lane + kLanes > block.width && block.width >= kLanes) lane = block.width - kLanes;
      if (lane >= total) break;
      Run run;
      run.from = buffer + 4 * lane;
      run.to = to + (block.x * layer.channels + block.first + lane) * layer.out_bytes;
      run.from_step = 4 * lanes * layer.plane_step;
      run.to_step = int64_t{layer.unit} * layer.channels * layer.out_bytes;
      run.count = total - lane >= kLanes ? (total - lane - kLanes) / lanes + 1 : 0;
      const int64_t next = lane + run.count * lanes;
      run.part = next < total ? total - next : 0;
      const std::byte* record = table + n * layer.record_bytes;
      int32_t parts;
      __builtin_memcpy(&parts, record + (kDepthwiseHead - 1) * kVectorBytes, sizeof parts);
      (parts == 1 ? one_part : all_parts)(call, record, distances, run, row_distance);
    }
  }
}

void run_quantized(const Call& call, int64_t begin, int64_t end, std::byte* buffer) {
  const Layer& layer = *call.layer;
  const int64_t row_bytes = int64_t{layer.in_width} * layer.channels_in * layer.in_bytes;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t rest = task / layer.blocks, number = task - rest * layer.blocks;
    const int64_t batch = rest / layer.pairs, pair = rest - batch * layer.pairs;
    // Groups of `rows` rows, dilation_y apart, fill the image in stripes.
    const int64_t stripe = pair / layer.dilation_y;
    const int64_t y = layer.rows == 1 ? pair : stripe * layer.rows * layer.dilation_y + pair % layer.dilation_y;
    if (y >= layer.out_height) continue;
    const int active = layer.rows == 2 && y + layer.dilation_y < layer.out_height ? 2 : 1;
    SourceRows rows;
    const int64_t last = layer.filter_height + layer.rows - 1;
    for (int64_t r = 0; r < 4 / layer.in_bytes * layer.groups; ++r) {
      const int64_t in = y * layer.stride_y - layer.before_y + r * layer.dilation_y;
      const bool inside = r < last && in >= 0 && in < layer.in_height;
      rows.row[r] = inside ? static_cast<const std::byte*>(call.in) + (batch * layer.in_height + in) * row_bytes
                           : static_cast<const std::byte*>(call.zeros);
    }
    Block block{};
    block.first = number * layer.block;
    block.width = layer.block < layer.channels - block.first ? layer.block : layer.channels - block.first;
    std::byte* to = static_cast<std::byte*>(call.out) +
                    (batch * layer.out_height + y) * layer.out_width * layer.channels * layer.out_bytes;
    convolve_block(call, block, rows, active, to, buffer);
  }
}

constexpr QuantizedDepthwiseKernel kQuantizedDepthwise = {kLanes, kPairedWeights, run_quantized};

}  // namespace
}  // namespace subgraft
