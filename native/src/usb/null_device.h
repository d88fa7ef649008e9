// An Edge TPU that computes nothing and takes no time, so that what the host costs can be measured.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

#include "usb/device.h"

namespace subgraft::usb {

// Takes everything that is sent; once a request's inputs are there, answers with the same bytes every time and the
// completion event. A payload of parameters that follows instructions is a request of its own, without an answer.
class NullDevice final : public Device {
 public:
  // answers: what one request sends back, one entry for each output: a read ends with it, or goes on in the next read.
  // inputs: how many payloads of input activations a request has.
  NullDevice(std::vector<std::vector<std::byte>> answers, int inputs, int speed_mbps);

  std::size_t control(std::uint8_t request_type, std::uint8_t request, std::uint16_t value, std::uint16_t index,
                      std::byte* data, std::size_t size, std::chrono::milliseconds timeout) override;
  void submit(Transfer& transfer) override;
  void cancel(Transfer& transfer) override;
  bool wait(Clock::time_point until) override;
  void claim(int) override {}
  void release(int) override {}
  void clear_halt(std::uint8_t) override {}
  void reset() override {}
  void close() override;
  int speed_mbps() const override { return speed_mbps_; }

 private:
  static constexpr std::size_t kHeaderBytes = 8;

  enum class Owed : std::uint8_t { event, answers_and_event };

  // A queue that keeps its memory.
  template <typename Item>
  class Queue {
   public:
    std::size_t size() const { return items_.size() - first_; }
    bool is_empty() const { return size() == 0; }
    Item& front() { return items_[first_]; }
    void push(Item item) { items_.push_back(item); }
    void pop() {
      if (++first_ < items_.size()) return;
      items_.clear();
      first_ = 0;
    }
    bool erase(const Item& item);

   private:
    std::vector<Item> items_;
    std::size_t first_ = 0;
  };

  void take_stream(const std::byte* data, std::size_t size);
  void end_payload();
  void answer();
  void finish(Transfer& transfer, Status status, std::size_t actual);
  bool call_finished(std::unique_lock<std::mutex>& lock);

  const std::vector<std::vector<std::byte>> answers_;
  const int inputs_;
  const int speed_mbps_;

  std::mutex mutex_;  // for all below
  std::condition_variable finished_one_;
  Queue<Transfer*> finished_;                               // their callbacks are due in wait()
  Queue<Transfer*> data_reads_, event_reads_, idle_reads_;  // idle: of endpoints that never answer
  std::size_t pending_ = 0;
  bool is_closed_ = false;

  std::array<std::byte, kHeaderBytes> header_{};  // of the payload that is being sent
  std::size_t header_bytes_ = 0;                  // of it that have come
  std::size_t payload_left_ = 0;
  int inputs_seen_ = 0;           // of the request that is being sent
  bool has_only_code_ = false;    // instructions were sent last
  Queue<Owed> owed_;              // requests to answer
  std::size_t answer_index_ = 0;  // of the next bytes of the first of them
  std::size_t answer_offset_ = 0;
};

}  // namespace subgraft::usb
