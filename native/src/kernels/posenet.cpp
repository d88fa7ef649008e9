// PosenetDecoderOp: from PoseNet's heatmaps and offsets to a list of poses, and BodyPix's masks of them.
#include <cmath>
#include <limits>
#include <memory>

#include "kernels/families.h"
#include "kernels/posenet_math.h"
#include "model/flexbuffer.h"

namespace subgraft {
namespace {

using namespace posenet;

constexpr int64_t kMaskSide = 33;  // Coral's op gives masks of this size only

// A tensor of floats, or of uint8 to dequantize, times a factor.
struct Map {
  int input = 0, slot = 0;
  DType dtype = DType::float32;
  float scale = 1, zero_point = 0;
  int64_t height = 0, width = 0, channels = 0;

  Map() = default;
  Map(Preparation& p, int i, int64_t depth, float factor) : input(i), dtype(p.input(i).dtype), scale(factor) {
    const Shape& shape = p.input(i).shape;
    if (dtype != DType::float32 && dtype != DType::uint8) p.unsupported("input ", i, " is ", dtype_name(dtype));
    p.require(shape.rank() == 4 && shape[0] == 1 && shape[1] > 0 && shape[2] > 0 && shape[3] == depth, "input ", i,
              " has shape ", shape.text(), " instead of [1, height, width, ", depth, "]");
    if (dtype == DType::uint8) {
      scale = p.input(i).scale() * factor;
      zero_point = static_cast<float>(p.input(i).zero_point());
    }
    height = shape[1], width = shape[2], channels = depth;
    slot = p.scratch(shape.elements() * int64_t{sizeof(float)});
  }

  Field field(const Invocation& v) const {
    float* values = v.scratch<float>(slot);
    const int64_t count = height * width * channels;
    for (int64_t i = 0; i < count; ++i)
      values[i] = dtype == DType::uint8 ? (static_cast<float>(v.in<uint8_t>(input)[i]) - zero_point) * scale
                                        : v.in<float>(input)[i] * scale;
    return {values, height, width, channels};
  }
};

class PoseDecoder {
 public:
  explicit PoseDecoder(Preparation& p) {
    const flexbuffer::Value options = flexbuffer::decode(p.custom_options());
    most_ = options.integer("max_detections");
    threshold_ = static_cast<float>(options.real("score_threshold"));
    const int64_t stride = options.integer("stride");
    p.require(most_ >= 0 && most_ <= kMostPoses, "max_detections is ", most_);
    p.require(stride > 0 && stride <= kLargestStride, "stride is ", stride);
    stride_ = static_cast<float>(stride);
    const float radius = static_cast<float>(options.real("nms_radius")) / stride_;
    squared_radius_ = radius * radius;
    const auto factor = static_cast<float>(1.0 / static_cast<double>(stride));
    heat_ = Map(p, 0, kKeypoints, 1);
    near_ = Map(p, 1, 2 * kKeypoints, factor);
    mid_ = Map(p, 2, 4 * kEdges, factor);
    check_same_size(p, near_, 1);
    check_same_size(p, mid_, 2);
    with_masks_ = p.inputs() == 4;
    if (with_masks_) {
      far_ = Map(p, 3, 2 * kKeypoints, factor);
      if (far_.height != kMaskSide || far_.width != kMaskSide)
        p.unsupported("masks of ", far_.height, "x", far_.width, ": the op gives masks of 33x33 only");
    }
    set_outputs(p);
    candidate_slot_ = p.scratch(heat_.height * heat_.width * kKeypoints * int64_t{sizeof(Candidate)});
    queue_slot_ = p.scratch(kMostQueued * int64_t{sizeof(Candidate)});
    pose_slot_ = p.scratch(most_ * int64_t{sizeof(Pose)});
    score_slot_ = p.scratch(most_ * int64_t{sizeof(Scores)});
    instance_slot_ = p.scratch(2 * most_ * int64_t{sizeof(float)});
    order_slot_ = p.scratch(most_ * int64_t{sizeof(int32_t)});
  }

  void run(const Invocation& v) const {
    const int64_t found = suppress(v, find(v));
    const int64_t count = write(v, found);
    v.out<float>(3)[0] = static_cast<float>(count);
    if (with_masks_) mask(v, count);
  }

 private:
  static constexpr int64_t kMostPoses = 1 << 16, kLargestStride = 1 << 16;

  void check_same_size(const Preparation& p, const Map& map, int i) const {
    p.require(map.height == heat_.height && map.width == heat_.width, "input ", i, " is ", map.height, "x", map.width,
              " and the heatmaps are ", heat_.height, "x", heat_.width);
  }

  void set_outputs(Preparation& p) const {
    const auto n = static_cast<int32_t>(most_);
    const Shape shapes[] = {{1, n, kKeypoints, 2}, {1, n, kKeypoints}, {1, n}, {1}, {1, n, kMaskSide, kMaskSide}};
    for (int i = 0; i < p.outputs(); ++i) {
      p.require(p.output(i).dtype == DType::float32, "output ", i, " is ", dtype_name(p.output(i).dtype));
      p.set_output(i, shapes[i]);
    }
  }

  // The local maxima of the heatmaps above the threshold, each at its refined place.
  Queue candidates(const Invocation& v, const Fields& fields) const {
    const Field& heat = fields.heat;
    const auto least = static_cast<float>(-std::log(1.0 / (static_cast<double>(threshold_) + 1e-6) - 1.0));
    Queue queue(v.scratch<Candidate>(candidate_slot_));
    for (int64_t y = 0; y < heat.height; ++y)
      for (int64_t x = 0; x < heat.width; ++x)
        for (int32_t k = 0; k < kKeypoints; ++k) {
          const float score = heat.at(y, x, k);
          if (!(score >= least) || !is_peak(heat, y, x, k)) continue;
          const float dy = fields.near.at(y, x, k), dx = fields.near.at(y, x, kKeypoints + k);
          queue.push({heat.inside({static_cast<float>(y) + dy, static_cast<float>(x) + dx}), k, score});
        }
    return queue;
  }

  static bool is_peak(const Field& heat, int64_t y, int64_t x, int32_t k) {
    const float score = heat.at(y, x, k);
    for (int64_t i = std::max<int64_t>(y - 1, 0); i < std::min(y + 2, heat.height); ++i)
      for (int64_t j = std::max<int64_t>(x - 1, 0); j < std::min(x + 2, heat.width); ++j)
        if (heat.at(i, j, k) > score) return false;
    return true;
  }

  // Poses into scratch, in the order of their roots' scores; how many.
  int64_t find(const Invocation& v) const {
    const Fields fields{heat_.field(v), near_.field(v), mid_.field(v)};
    Pose* poses = v.scratch<Pose>(pose_slot_);
    Scores* scores = v.scratch<Scores>(score_slot_);
    float* instances = v.scratch<float>(instance_slot_);
    int64_t count = 0;
    for (Queue queue = candidates(v, fields); count < most_ && !queue.empty();) {
      const Candidate root = queue.pop();
      if (std::any_of(poses, poses + count, [&](const Pose& pose) {
            return squared_distance(root.point, pose[root.keypoint]) <= squared_radius_;
          }))
        continue;
      decode_pose(fields, root, v.scratch<Candidate>(queue_slot_), poses[count], scores[count]);
      for (float& score : scores[count]) score = 1.f / (1.f + std::exp(-score));
      instances[count] = mean_score(scores[count], [](int32_t) { return true; });
      if (instances[count] >= threshold_) ++count;
    }
    return count;
  }

  // Scores poses anew without the keypoints that better poses have in the same place; their number.
  int64_t suppress(const Invocation& v, int64_t count) const {
    const Pose* poses = v.scratch<Pose>(pose_slot_);
    float* instances = v.scratch<float>(instance_slot_);
    float* rescored = instances + most_;
    auto* order = v.scratch<int32_t>(order_slot_);
    sort_by_score({instances, static_cast<size_t>(count)}, order);
    for (int64_t i = 0; i < count; ++i) {
      const Pose& pose = poses[order[i]];
      rescored[order[i]] = mean_score(v.scratch<Scores>(score_slot_)[order[i]], [&](int32_t k) {
        return std::none_of(order, order + i, [&](int32_t better) {
          return squared_distance(pose[k], poses[better][k]) <= squared_radius_;
        });
      });
    }
    sort_by_score({rescored, static_cast<size_t>(count)}, order);
    return count;
  }

  // The poses above the threshold, best first, in pixels; zeros in the places that are left.
  int64_t write(const Invocation& v, int64_t found) const {
    float *points = v.out<float>(0), *scores = v.out<float>(1), *instances = v.out<float>(2);
    std::fill_n(points, most_ * kKeypoints * 2, 0.f);
    std::fill_n(scores, most_ * kKeypoints, 0.f);
    std::fill_n(instances, most_, 0.f);
    const float* rescored = v.scratch<float>(instance_slot_) + most_;
    const auto* order = v.scratch<int32_t>(order_slot_);
    int64_t n = 0;
    for (; n < found && !(rescored[order[n]] < threshold_); ++n) {
      const Pose& pose = v.scratch<Pose>(pose_slot_)[order[n]];
      for (int k = 0; k < kKeypoints; ++k) {
        points[(n * kKeypoints + k) * 2] = pose[k].y * stride_;
        points[(n * kKeypoints + k) * 2 + 1] = pose[k].x * stride_;
      }
      const Scores& row = v.scratch<Scores>(score_slot_)[order[n]];
      std::copy(row.begin(), row.end(), scores + n * kKeypoints);
      instances[n] = rescored[order[n]];
    }
    return n;
  }

  // Gives every block to the pose whose keypoints are nearest to where the block's long offsets lead.
  void mask(const Invocation& v, int64_t count) const {
    float* masks = v.out<float>(4);
    std::fill_n(masks, most_ * kMaskSide * kMaskSide, 0.f);
    if (count == 0) return;
    const Field far = far_.field(v);
    for (int64_t y = 0; y < kMaskSide; ++y)
      for (int64_t x = 0; x < kMaskSide; ++x)
        masks[(nearest(v, far, y, x, count) * kMaskSide + y) * kMaskSide + x] = 1.f;
  }

  int64_t nearest(const Invocation& v, const Field& far, int64_t y, int64_t x, int64_t count) const {
    constexpr int kSteps = 3;  // along the long offsets, and twice more to refine
    Pose led;
    for (int k = 0; k < kKeypoints; ++k) {
      Point p{static_cast<float>(y), static_cast<float>(x)};
      for (int i = 0; i < kSteps; ++i) p = far.moved(p, k, kKeypoints + k);
      led[k] = {p.y * stride_, p.x * stride_};
    }
    const float* points = v.out<float>(0);
    int64_t best = 0;
    float least = std::numeric_limits<float>::infinity();
    for (int64_t n = 0; n < count; ++n) {
      float distance = 0;
      for (int k = 0; k < kKeypoints; ++k) {
        const float* point = points + (n * kKeypoints + k) * 2;
        distance += squared_distance(led[k], {point[0], point[1]});
      }
      if (distance < least) best = n, least = distance;
    }
    return best;
  }

  int64_t most_ = 0;
  float threshold_ = 0, stride_ = 1, squared_radius_ = 0;
  bool with_masks_ = false;
  Map heat_, near_, mid_, far_;
  int candidate_slot_ = 0, queue_slot_ = 0, pose_slot_ = 0, score_slot_ = 0, instance_slot_ = 0, order_slot_ = 0;
};

Compute prepare_posenet(Preparation& p) {
  p.require((p.inputs() == 3 && p.outputs() == 4) || (p.inputs() == 4 && p.outputs() == 5), "it has ", p.inputs(),
            " inputs and ", p.outputs(), " outputs instead of 3 and 4, or 4 and 5 with masks");
  const auto decoder = std::make_shared<const PoseDecoder>(p);
  return [decoder](const Invocation& v) { decoder->run(v); };
}

}  // namespace

void register_posenet(Registry& registry) { registry.add("PosenetDecoderOp", prepare_posenet); }

}  // namespace subgraft
