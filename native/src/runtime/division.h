// Whether the runs of a program are divided among threads: measured, where they are short.
#pragma once

#include <algorithm>

namespace subgraft {

// A short run has little to divide, and what one core wrote another one has to fetch: some programs take longer on two
// threads than on one. Now and then a few runs of either way are timed, as they come, and the quicker way is kept:
// where a program runs so seldom that its workers sleep, their waking up counts.
class Division {
 public:
  // Whether the next run is divided.
  bool divides() const { return phase_ == Phase::divided || (phase_ == Phase::kept && divides_); }
  // Whether the next run is to be timed.
  bool is_measuring() const { return phase_ != Phase::kept; }

  void ran(double seconds) {
    // The first run of either way finds the caches and the workers as the other way left them.
    if (is_measuring() && runs_ > 0) least_s_ = runs_ == 1 ? seconds : std::min(least_s_, seconds);
    ++runs_;
    if (phase_ == Phase::divided && runs_ == kRunsOfOneWay) {
      divided_s_ = least_s_;
      divides_ = true;
      enter(divided_s_ < kLong_s ? Phase::undivided : Phase::kept);
    } else if (phase_ == Phase::undivided && runs_ == kRunsOfOneWay) {
      divides_ = divided_s_ <= least_s_;
      enter(Phase::kept);
    } else if (phase_ == Phase::kept && runs_ == kRunsKept) {
      enter(Phase::divided);
    }
  }

 private:
  enum class Phase { divided, undivided, kept };
  static constexpr int kRunsOfOneWay = 5;
  static constexpr int kRunsKept = 1000;      // until the next comparison, which may find the machine less busy
  static constexpr double kLong_s = 1000e-6;  // divided runs that take so long are worth it

  void enter(Phase phase) {
    phase_ = phase;
    runs_ = 0;
  }

  Phase phase_ = Phase::divided;
  bool divides_ = true;
  int runs_ = 0;  // of this phase
  double least_s_ = 0, divided_s_ = 0;
};

}  // namespace subgraft
