// An Edge TPU that does what a script says, in any legal way, or goes wrong at random.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "edgetpu/script.h"
#include "usb/device.h"

namespace subgraft::fuzz {

// splitmix64
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t bound);

 private:
  std::uint64_t state_;
};

// What a device computes: each byte that it sends depends on every byte that it heard before in this run.
constexpr std::uint64_t kSeed = 0xCBF29CE484222325;
std::uint64_t mix(std::uint64_t hash, std::byte heard);
std::byte answer(std::uint64_t hash, std::size_t step, std::size_t i);

class RandomDevice final : public usb::Device {
 public:
  // scripts: told apart by the first byte of the first payload.
  RandomDevice(std::vector<std::vector<edgetpu::Step>> scripts, int speed_mbps, bool has_faults, std::uint64_t seed);

  std::size_t control(std::uint8_t, std::uint8_t, std::uint16_t, std::uint16_t, std::byte*, std::size_t,
                      std::chrono::milliseconds) override {
    return 0;
  }
  void submit(usb::Transfer& transfer) override;
  void cancel(usb::Transfer& transfer) override;
  bool wait(usb::Clock::time_point until) override;
  void claim(int) override {}
  void release(int) override {}
  void clear_halt(std::uint8_t) override {}
  void reset() override {}
  void close() override {}
  int speed_mbps() const override { return speed_mbps_; }

  std::size_t pending();
  // It has sent bytes that are not what it computed.
  bool has_lied();

 private:
  using Queue = std::deque<usb::Transfer*>;

  Queue& queue_of(const usb::Transfer& transfer);
  void finish(Queue& queue, usb::Status status, std::size_t actual);
  bool act();
  bool take_out();
  bool go_on();
  bool say(const edgetpu::Step& step);
  bool tell(int tag);
  void go_wrong();
  std::size_t piece(std::size_t capacity, std::size_t rest);

  const std::vector<std::vector<edgetpu::Step>> scripts_;
  const int speed_mbps_;
  const bool has_faults_;
  std::mutex mutex_;  // for all below
  std::condition_variable changed_;
  Random random_;
  Queue outs_, reads_, events_, interrupts_;
  std::vector<usb::Transfer*> done_;
  std::size_t pending_ = 0;
  bool is_gone_ = false, is_silent_ = false, has_lied_ = false;
  bool sends_whole_outputs_;

  std::deque<std::byte> heard_;
  const std::vector<edgetpu::Step>* script_ = nullptr;  // that runs
  std::size_t step_ = 0, said_ = 0;
  std::uint64_t hash_ = kSeed;
  std::deque<int> due_events_;
};

}  // namespace subgraft::fuzz
