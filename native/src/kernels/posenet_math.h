// Decoding of poses from PoseNet's heatmaps and offsets: PersonLab, arXiv 1803.08225, as Coral's PosenetDecoderOp does.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>

namespace subgraft::posenet {

constexpr int kKeypoints = 17;  // nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left before right
constexpr int kEdges = 16;      // of the tree that joins them
constexpr int kMostQueued =
    2 * kEdges + 1;  // candidates while one pose is followed: each edge in each direction, the root

struct Point {
  float y, x;
};
using Pose = std::array<Point, kKeypoints>;
using Scores = std::array<float, kKeypoints>;

struct Candidate {
  Point point;
  int32_t keypoint;
  float score;
  friend bool operator<(const Candidate& a, const Candidate& b) { return a.score < b.score; }
};

// A tree's edges from the nose outwards, parent and child.
constexpr std::array<std::array<uint8_t, 2>, kEdges> kTree = {{
    {0, 1},
    {1, 3},
    {0, 2},
    {2, 4},
    {0, 5},
    {5, 7},
    {7, 9},
    {5, 11},
    {11, 13},
    {13, 15},
    {0, 6},
    {6, 8},
    {8, 10},
    {6, 12},
    {12, 14},
    {14, 16},
}};

inline float squared_distance(Point a, Point b) {
  const float dy = b.y - a.y, dx = b.x - a.x;
  return dy * dy + dx * dx;
}

// Candidates by score, the best first. The standard library's heap decides between equal scores, as in Coral's decoder.
class Queue {
 public:
  explicit Queue(Candidate* memory) : memory_(memory) {}
  bool empty() const { return count_ == 0; }
  void push(const Candidate& candidate) {
    memory_[count_++] = candidate;
    std::push_heap(memory_, memory_ + count_);
  }
  Candidate pop() {
    std::pop_heap(memory_, memory_ + count_);
    return memory_[--count_];
  }

 private:
  Candidate* memory_;
  int64_t count_ = 0;
};

// A map of `channels` values for each block of stride x stride pixels; coordinates are in blocks.
struct Field {
  const float* values;
  int64_t height, width, channels;

  float at(int64_t y, int64_t x, int64_t channel) const { return values[(y * width + x) * channels + channel]; }

  // Bilinear between the four blocks around a point.
  float sample(Point p, int64_t channel) const {
    const auto [y, x] = inside(p);
    const auto top = static_cast<int64_t>(std::floor(y)), bottom = static_cast<int64_t>(std::ceil(y));
    const auto left = static_cast<int64_t>(std::floor(x)), right = static_cast<int64_t>(std::ceil(x));
    const float down = p.y - static_cast<float>(top), across = p.x - static_cast<float>(left);
    return (1 - down) * ((1 - across) * at(top, left, channel) + across * at(top, right, channel)) +
           down * ((1 - across) * at(bottom, left, channel) + across * at(bottom, right, channel));
  }

  // A point moved by the offsets in two channels, kept inside.
  Point moved(Point p, int64_t y_channel, int64_t x_channel) const {
    const float dy = sample(p, y_channel), dx = sample(p, x_channel);
    return inside({p.y + dy, p.x + dx});
  }

  Point inside(Point p) const { return {within(p.y, height), within(p.x, width)}; }

 private:
  // From 0 to size - 1; what is no number becomes 0.
  static float within(float value, int64_t size) {
    return value > 0 ? std::min(value, static_cast<float>(size - 1)) : 0.f;
  }
};

struct Fields {
  Field heat, near, mid;  // logits; offsets to the keypoint itself; offsets along the tree's edges
};

// Where an edge's far end lies, seen from its near end: along the edge, then refined by the far keypoint's own offsets.
inline Point follow(const Fields& fields, Point from, int64_t edge, int64_t target) {
  constexpr int kRefinements = 5;
  Point p = fields.mid.moved(from, edge, kEdges + edge);
  for (int i = 0; i < kRefinements; ++i) p = fields.near.moved(p, target, kKeypoints + target);
  return p;
}

// One pose from its best keypoint outwards; scores are logits. The queue's memory holds kMostQueued.
inline void decode_pose(const Fields& fields, const Candidate& root, Candidate* memory, Pose& pose, Scores& scores) {
  std::array<bool, kKeypoints> decoded{};
  Queue queue(memory);
  queue.push({root.point, root.keypoint, fields.heat.sample(root.point, root.keypoint)});
  while (!queue.empty()) {
    const Candidate best = queue.pop();
    if (decoded[best.keypoint]) continue;
    decoded[best.keypoint] = true;
    pose[best.keypoint] = best.point;
    scores[best.keypoint] = best.score;
    const auto reach = [&](int32_t child, int64_t channel) {
      if (decoded[child]) return;
      const Point p = follow(fields, best.point, channel, child);
      queue.push({p, child, fields.heat.sample(p, child)});
    };
    for (int edge = 0; edge < kEdges; ++edge)
      if (kTree[edge][0] == best.keypoint) reach(kTree[edge][1], edge);
    // The backward offsets lie behind the forward ones, y then x. Coral's decoder takes the first backward edge's from
    // one block before; models were made with it, so its answer is the right one.
    for (int edge = 0; edge < kEdges; ++edge)
      if (kTree[edge][1] == best.keypoint) reach(kTree[edge][0], edge == 0 ? kEdges : 2 * kEdges + edge);
  }
}

// The indices of `scores`, the best first; what is no number comes last.
inline void sort_by_score(std::span<const float> scores, int32_t* order) {
  const auto rank = [scores](int32_t i) {
    return std::isnan(scores[i]) ? -std::numeric_limits<float>::infinity() : scores[i];
  };
  std::iota(order, order + scores.size(), 0);
  std::sort(order, order + scores.size(), [rank](int32_t a, int32_t b) { return rank(a) > rank(b); });
}

// The mean of a pose's keypoint scores, added best first; of those that `counts` says yes to.
template <typename Counts>
float mean_score(const Scores& scores, Counts&& counts) {
  std::array<int32_t, kKeypoints> order;
  sort_by_score(scores, order.data());
  float total = 0;
  for (const int32_t k : order)
    if (counts(k)) total += scores[k];
  return total / kKeypoints;
}

}  // namespace subgraft::posenet
