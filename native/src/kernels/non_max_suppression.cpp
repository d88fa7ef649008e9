// NON_MAX_SUPPRESSION_V4 and NON_MAX_SUPPRESSION_V5: boxes that hide behind better ones go, or lose some of their
// score.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/families.h"

namespace subgraft {
namespace {

struct Box {
  float low_y, low_x, high_y, high_x;

  explicit Box(const float* corners)
      : low_y(std::min(corners[0], corners[2])),
        low_x(std::min(corners[1], corners[3])),
        high_y(std::max(corners[0], corners[2])),
        high_x(std::max(corners[1], corners[3])) {}
  float area() const { return (high_y - low_y) * (high_x - low_x); }
};

// Intersection over union; 0 where a box has no area.
float overlap(const Box& a, const Box& b) {
  const float area_a = a.area(), area_b = b.area();
  if (area_a <= 0 || area_b <= 0) return 0;
  const float height = std::max(std::min(a.high_y, b.high_y) - std::max(a.low_y, b.low_y), 0.0f);
  const float width = std::max(std::min(a.high_x, b.high_x) - std::max(a.low_x, b.low_x), 0.0f);
  const float both = height * width;
  return both / (area_a + area_b - both);
}

struct Candidate {
  int32_t box;
  float score;
  int32_t compared;  // with so many of the selected ones
};

// Candidates in a heap, the best in front. Of equal ones that comes first which std::priority_queue of GNU's library,
// TFLite's, would give; other libraries differ there.
struct Heap {
  Candidate* first;
  int64_t size = 0;

  void push(const Candidate& candidate) { rise(size++, candidate); }

  // A gap wanders from the front to the bottom, then takes the last candidate and lets it rise.
  Candidate pop() {
    const Candidate best = first[0];
    const int64_t left = --size;
    int64_t gap = 0;
    while (2 * gap + 2 < left) {
      const int64_t right = 2 * gap + 2;
      const int64_t better = first[right].score < first[right - 1].score ? right - 1 : right;
      first[gap] = first[better];
      gap = better;
    }
    if (2 * gap + 2 == left) {
      first[gap] = first[left - 1];
      gap = left - 1;
    }
    if (left > 0) rise(gap, first[left]);
    return best;
  }

 private:
  void rise(int64_t place, const Candidate& candidate) {
    const Candidate rising = candidate;  // may lie in the heap
    while (place > 0 && first[(place - 1) / 2].score < rising.score) {
      first[place] = first[(place - 1) / 2];
      place = (place - 1) / 2;
    }
    first[place] = rising;
  }
};

struct Suppression {
  int64_t boxes = 0, wanted = 0;
  int candidates = 0;  // scratch
  float overlap_limit = 0, score_limit = 0, sigma = 0;
  const float* corners = nullptr;
  int32_t* selected = nullptr;
  float* scores = nullptr;  // of the selected ones, or null
};

// The candidate after comparison with the selected boxes that it was not compared with; a score of -infinity: gone.
Candidate compare(const Suppression& s, Candidate candidate, int32_t selected) {
  const Box box(s.corners + int64_t{4} * candidate.box);
  const float decay = s.sigma > 0 ? static_cast<float>(-0.5 / s.sigma) : 0.0f;
  for (int32_t i = selected - 1; i >= candidate.compared; --i) {
    const float iou = overlap(box, Box(s.corners + int64_t{4} * s.selected[i]));
    if (iou >= s.overlap_limit) {
      candidate.score = -std::numeric_limits<float>::infinity();
      return candidate;
    }
    if (s.sigma > 0) candidate.score *= std::exp(decay * iou * iou);
    if (candidate.score <= s.score_limit) break;
  }
  candidate.compared = selected;
  return candidate;
}

// Returns how many boxes are selected. The memory has room for all boxes.
int32_t suppress(const Suppression& s, const float* scores, Candidate* memory) {
  Heap heap{memory};
  for (int64_t i = 0; i < s.boxes; ++i)
    if (scores[i] > s.score_limit) heap.push({static_cast<int32_t>(i), scores[i], 0});
  const int64_t most = std::min(heap.size, s.wanted);
  int32_t selected = 0;
  while (selected < most && heap.size > 0) {
    const Candidate before = heap.pop();
    const Candidate now = compare(s, before, selected);
    if (now.score == before.score) {
      s.selected[selected] = now.box;
      if (s.scores) s.scores[selected] = now.score;
      ++selected;
    }
    // One that was selected comes back too, as in the reference, where a box without an area does not hide itself.
    if (now.score > s.score_limit) heap.push(now);
  }
  return selected;
}

void require_number(const Preparation& p, int i) {
  p.require(p.input(i).dtype == DType::float32 && p.input(i).shape.elements() == 1, "input ", i, " is ",
            dtype_name(p.input(i).dtype), p.input(i).shape.text(), ", not one float32");
}

Compute prepare_suppression(Preparation& p, bool is_soft) {
  p.expect(is_soft ? 6 : 5, is_soft ? 3 : 2);
  const Operand &boxes = p.input(0), &scores = p.input(1);
  p.require(boxes.dtype == DType::float32 && boxes.shape.rank() == 2 && boxes.shape[1] == 4, "boxes are ",
            dtype_name(boxes.dtype), boxes.shape.text());
  p.require(scores.dtype == DType::float32 && scores.shape == Shape{boxes.shape[0]}, "scores are ",
            dtype_name(scores.dtype), scores.shape.text(), " for ", boxes.shape[0], " boxes");
  for (int i = 3; i < p.inputs(); ++i) require_number(p, i);
  const auto wanted = p.value<int32_t>(2);
  p.require(wanted.size() == 1 && wanted[0] >= 0, "the number of outputs must be one, of 0 or more");
  const int count = is_soft ? 2 : 1;  // the last output
  for (int i = 0; i <= count; ++i) {
    const DType dtype = is_soft && i == 1 ? DType::float32 : DType::int32;
    p.require(p.output(i).dtype == dtype, "output ", i, " is ", dtype_name(p.output(i).dtype));
    p.set_output(i, i == count ? Shape() : Shape{wanted[0]});
  }
  Suppression s;
  s.boxes = boxes.shape[0];
  s.wanted = wanted[0];
  s.candidates = p.scratch(s.boxes * static_cast<int64_t>(sizeof(Candidate)));
  return [s, is_soft, count](const Invocation& v) {
    Suppression now = s;
    now.corners = v.in<float>(0);
    now.overlap_limit = *v.in<float>(3);
    now.score_limit = *v.in<float>(4);
    now.sigma = is_soft ? *v.in<float>(5) : 0.0f;
    if (now.sigma < 0) throw RunError(concat("sigma is ", now.sigma, "; it must not be negative"));
    now.selected = v.out<int32_t>(0);
    now.scores = is_soft ? v.out<float>(1) : nullptr;
    const int32_t selected = suppress(now, v.in<float>(1), v.scratch<Candidate>(now.candidates));
    std::fill(now.selected + selected, now.selected + now.wanted, 0);
    if (is_soft) std::fill(now.scores + selected, now.scores + now.wanted, 0.0f);
    *v.out<int32_t>(count) = selected;
  };
}

Compute prepare_v4(Preparation& p) { return prepare_suppression(p, false); }
Compute prepare_v5(Preparation& p) { return prepare_suppression(p, true); }

}  // namespace

void register_suppression(Registry& registry) {
  registry.add("NON_MAX_SUPPRESSION_V4", prepare_v4);
  registry.add("NON_MAX_SUPPRESSION_V5", prepare_v5);
}

}  // namespace subgraft
