// TFLite_Detection_PostProcess: from an SSD's box encodings and class scores to a list of detections.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "kernels/detection_math.h"
#include "kernels/families.h"
#include "model/flexbuffer.h"

namespace subgraft {
namespace {

// As flexbuffers' AsInt32 and AsFloat read them; absent numbers are 0.
struct DetectionOptions {
  int64_t max_detections, classes_per_detection, detections_per_class, classes;
  bool regular;  // suppress class by class instead of once over each box's best class
  float score_threshold, iou_threshold;
  CenterBox scale;

  explicit DetectionOptions(const flexbuffer::Value& map) {
    const auto real = [&map](const char* key) { return static_cast<float>(map.real(key)); };
    max_detections = map.integer("max_detections");
    classes_per_detection = map.integer("max_classes_per_detection");
    detections_per_class = map.integer("detections_per_class", 100);
    classes = map.integer("num_classes");
    regular = map.boolean("use_regular_nms");
    score_threshold = real("nms_score_threshold");
    iou_threshold = real("nms_iou_threshold");
    scale = {real("y_scale"), real("x_scale"), real("h_scale"), real("w_scale")};
  }
};

// A tensor of floats, or of 8-bit numbers to dequantize.
struct Reals {
  int input = 0;
  DType dtype = DType::float32;
  float scale = 1;
  float zero_point = 0;

  Reals(const Preparation& p, int i) : input(i), dtype(p.input(i).dtype) {
    if (dtype == DType::float32) return;
    if (dtype != DType::uint8 && dtype != DType::int8) p.unsupported("input ", i, " is ", dtype_name(dtype));
    scale = p.input(i).scale();
    zero_point = static_cast<float>(p.input(i).zero_point());
  }

  float at(const Invocation& v, int64_t i) const {
    if (dtype == DType::float32) return v.in<float>(input)[i];
    const float raw = dtype == DType::uint8 ? v.in<uint8_t>(input)[i] : v.in<int8_t>(input)[i];
    return (raw - zero_point) * scale;
  }
  CenterBox box(const Invocation& v, int64_t i) const { return {at(v, i), at(v, i + 1), at(v, i + 2), at(v, i + 3)}; }
};

struct Candidate {
  float score;
  int32_t box, label;
};

class Detector {
 public:
  explicit Detector(Preparation& p)
      : options_(flexbuffer::decode(p.custom_options())), encodings_(p, 0), scores_(p, 1), anchors_(p, 2) {
    check_options(p);
    check_inputs(p);
    const auto places = static_cast<int32_t>(options_.max_detections * options_.classes_per_detection);
    const Shape shapes[] = {{1, places, 4}, {1, places}, {1, places}, {1}};
    for (int i = 0; i < 4; ++i) {
      p.require(p.output(i).dtype == DType::float32, "output ", i, " is ", dtype_name(p.output(i).dtype));
      p.set_output(i, shapes[i]);
    }
    places_ = places;
    box_slot_ = p.scratch(boxes_ * int64_t{sizeof(CornerBox)});
    score_slot_ = p.scratch(boxes_ * int64_t{sizeof(float)});
    order_slot_ = p.scratch(boxes_ * int64_t{sizeof(int32_t)});
    suppressed_slot_ = p.scratch(boxes_ * int64_t{sizeof(bool)});
    label_slot_ = p.scratch(options_.classes * int64_t{sizeof(int32_t)});
    best_slot_ = p.scratch(2 * options_.max_detections * int64_t{sizeof(Candidate)});
  }

  void run(const Invocation& v) const {
    decode(v);
    std::fill_n(v.out<float>(0), places_ * 4, 0.f);
    std::fill_n(v.out<float>(1), places_, 0.f);
    std::fill_n(v.out<float>(2), places_, 0.f);
    v.out<float>(3)[0] = static_cast<float>(options_.regular ? detect_by_class(v) : detect_by_best_class(v));
  }

 private:
  // Keeps every size within 32 bits with room to spare.
  static constexpr int64_t kMaxDetections = 1 << 20;

  void check_options(const Preparation& p) const {
    const DetectionOptions& o = options_;
    p.require(o.max_detections >= 0 && o.classes_per_detection > 0 && o.max_detections <= kMaxDetections &&
                  o.classes_per_detection <= kMaxDetections / std::max<int64_t>(o.max_detections, 1),
              "max_detections ", o.max_detections, " with max_classes_per_detection ", o.classes_per_detection);
    p.require(o.iou_threshold > 0 && o.iou_threshold <= 1, "nms_iou_threshold is ", o.iou_threshold);
    p.require(!o.regular || std::min(o.detections_per_class, o.max_detections) > 0, "detections_per_class is ",
              o.detections_per_class, " with max_detections ", o.max_detections);
  }

  void check_inputs(const Preparation& p) {
    const Shape &encodings = p.input(0).shape, &scores = p.input(1).shape, &anchors = p.input(2).shape;
    p.require(encodings.rank() == 3 && encodings[0] == 1 && encodings[2] >= 4, "box encodings have shape ",
              encodings.text());
    boxes_ = encodings[1];
    stride_ = encodings[2];
    p.require(scores.rank() == 3 && scores[0] == 1 && scores[1] == boxes_, "scores have shape ", scores.text(), " for ",
              boxes_, " boxes");
    columns_ = scores[2];
    first_class_ = columns_ - options_.classes;
    p.require(options_.classes > 0 && (first_class_ == 0 || first_class_ == 1), "num_classes is ", options_.classes,
              " but there are scores for ", columns_);
    p.require(anchors.rank() == 2 && anchors[0] >= boxes_ && anchors[1] == 4, "anchors have shape ", anchors.text(),
              " for ", boxes_, " boxes");
  }

  float score(const Invocation& v, int64_t box, int64_t label) const {
    return scores_.at(v, box * columns_ + first_class_ + label);
  }

  std::span<const CornerBox> boxes(const Invocation& v) const {
    return {v.scratch<CornerBox>(box_slot_), static_cast<size_t>(boxes_)};
  }

  void decode(const Invocation& v) const {
    auto* boxes = v.scratch<CornerBox>(box_slot_);
    for (int64_t i = 0; i < boxes_; ++i) {
      boxes[i] = decode_box(encodings_.box(v, i * stride_), anchors_.box(v, i * 4), options_.scale);
      if (boxes[i].ymin > boxes[i].ymax || boxes[i].xmin > boxes[i].xmax)
        throw RunError(concat("box ", i, " has a negative size: is its anchor's?"));
    }
  }

  void write(const Invocation& v, int64_t place, int64_t box, int64_t label, float score) const {
    reinterpret_cast<CornerBox*>(v.out<float>(0))[place] = boxes(v)[box];
    v.out<float>(1)[place] = static_cast<float>(label);
    v.out<float>(2)[place] = score;
  }

  // Suppresses once, by each box's best score; lists the best classes of every box that is left.
  int64_t detect_by_best_class(const Invocation& v) const {
    float* best = v.scratch<float>(score_slot_);
    for (int64_t i = 0; i < boxes_; ++i) {
      best[i] = score(v, i, 0);
      for (int64_t label = 1; label < options_.classes; ++label) best[i] = std::max(best[i], score(v, i, label));
    }
    const Suppression limits{options_.score_threshold, options_.iou_threshold, options_.max_detections};
    const auto selected = suppress(
        boxes(v), limits, [best](int32_t i) { return best[i]; }, v.scratch<int32_t>(order_slot_),
        v.scratch<bool>(suppressed_slot_));
    auto* labels = v.scratch<int32_t>(label_slot_);
    const int64_t listed = std::min(options_.classes_per_detection, options_.classes);
    for (size_t i = 0; i < selected.size(); ++i) {
      const int64_t box = selected[i];
      std::iota(labels, labels + options_.classes, 0);
      if (listed == 1)
        labels[0] = best_label(v, box);
      else
        std::partial_sort(labels, labels + listed, labels + options_.classes,
                          [&](int32_t a, int32_t b) { return score(v, box, a) > score(v, box, b); });
      for (int64_t c = 0; c < listed; ++c)
        write(v, static_cast<int64_t>(i) * options_.classes_per_detection + c, box, labels[c],
              score(v, box, labels[c]));
    }
    return static_cast<int64_t>(selected.size());
  }

  int32_t best_label(const Invocation& v, int64_t box) const {
    int32_t best = 0;
    for (int32_t label = 1; label < options_.classes; ++label)
      if (score(v, box, label) > score(v, box, best)) best = label;
    return best;
  }

  // Suppresses class by class; lists the best of all classes.
  int64_t detect_by_class(const Invocation& v) const {
    const Suppression limits{options_.score_threshold, options_.iou_threshold,
                             std::min(options_.detections_per_class, options_.max_detections)};
    Candidate* best = v.scratch<Candidate>(best_slot_);
    Candidate* merged = best + options_.max_detections;
    int64_t count = 0;
    for (int32_t label = 0; label < options_.classes; ++label) {
      const auto selected = suppress(
          boxes(v), limits, [&](int32_t i) { return score(v, i, label); }, v.scratch<int32_t>(order_slot_),
          v.scratch<bool>(suppressed_slot_));
      // Both lists are sorted; of equal scores the earlier class comes first.
      int64_t taken = 0, next = 0, total = 0;
      const auto left = static_cast<int64_t>(selected.size());
      for (; total < options_.max_detections && (taken < count || next < left); ++total) {
        if (next < left && (taken == count || score(v, selected[next], label) > best[taken].score)) {
          merged[total] = {score(v, selected[next], label), selected[next], label};
          ++next;
        } else {
          merged[total] = best[taken++];
        }
      }
      std::swap(best, merged);
      count = total;
    }
    for (int64_t i = 0; i < count; ++i) write(v, i, best[i].box, best[i].label, best[i].score);
    return count;
  }

  DetectionOptions options_;
  Reals encodings_, scores_, anchors_;
  int64_t boxes_ = 0, stride_ = 0;         // numbers per encoding: 4 and perhaps keypoints
  int64_t columns_ = 0, first_class_ = 0;  // scores per box; the first may be the background's
  int64_t places_ = 0;
  int box_slot_ = 0, score_slot_ = 0, order_slot_ = 0, suppressed_slot_ = 0, label_slot_ = 0, best_slot_ = 0;
};

Compute prepare_detection(Preparation& p) {
  p.expect(3, 4);
  const auto detector = std::make_shared<const Detector>(p);
  return [detector](const Invocation& v) { detector->run(v); };
}

}  // namespace

void register_detection(Registry& registry) { registry.add("TFLite_Detection_PostProcess", prepare_detection); }

}  // namespace subgraft
