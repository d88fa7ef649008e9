#include "usb/null_device.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/errors.h"

namespace subgraft::usb {
namespace {

// libedgetpu driver/usb/usb_ml_commands.h
constexpr std::uint8_t kData = 0x81;
constexpr std::uint8_t kEvents = 0x82;
enum Tag : int { kInstructions = 0, kInputs = 1, kParameters = 2, kCompletion = 4 };

// u64 address, u32 length, u8 tag, 3 unused; usb_ml_commands.cc
constexpr std::size_t kEventBytes = 16;
constexpr std::size_t kEventTagAt = 12;

}  // namespace

template <typename Item>
bool NullDevice::Queue<Item>::erase(const Item& item) {
  const auto found = std::find(items_.begin() + static_cast<std::ptrdiff_t>(first_), items_.end(), item);
  if (found == items_.end()) return false;
  items_.erase(found);
  if (first_ == items_.size()) {
    items_.clear();
    first_ = 0;
  }
  return true;
}

NullDevice::NullDevice(std::vector<std::vector<std::byte>> answers, int inputs, int speed_mbps)
    : answers_(std::move(answers)), inputs_(inputs), speed_mbps_(speed_mbps) {
  if (inputs < 1) throw ArgumentError(concat("a request has at least one input, not ", inputs));
}

std::size_t NullDevice::control(std::uint8_t request_type, std::uint8_t, std::uint16_t, std::uint16_t, std::byte* data,
                                std::size_t size, std::chrono::milliseconds) {
  if ((request_type & 0x80) != 0) std::fill_n(data, size, std::byte{0});
  return size;
}

void NullDevice::submit(Transfer& transfer) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) throw Error(Status::no_device, "the null device is closed");
  transfer.is_pending = true;
  ++pending_;
  if ((transfer.endpoint & 0x80) == 0) {
    take_stream(transfer.buffer, transfer.size);
    finish(transfer, Status::completed, transfer.size);
  } else {
    (transfer.endpoint == kData     ? data_reads_
     : transfer.endpoint == kEvents ? event_reads_
                                    : idle_reads_)
        .push(&transfer);
  }
  answer();
}

void NullDevice::cancel(Transfer& transfer) {
  const std::lock_guard lock(mutex_);
  for (auto* reads : {&data_reads_, &event_reads_, &idle_reads_})
    if (reads->erase(&transfer)) finish(transfer, Status::cancelled, 0);
}

bool NullDevice::wait(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  // A wait that is over already costs the kernel's timer slack of 50 us.
  if (pending_ != 0 && finished_.is_empty() && until > Clock::now())
    finished_one_.wait_until(lock, until, [&] { return !finished_.is_empty() || is_closed_; });
  return call_finished(lock);
}

void NullDevice::close() {
  std::unique_lock lock(mutex_);
  is_closed_ = true;
  for (auto* reads : {&data_reads_, &event_reads_, &idle_reads_})
    for (; !reads->is_empty(); reads->pop()) finish(*reads->front(), Status::cancelled, 0);
  call_finished(lock);
}

// ---- the device; the mutex is held

// Payloads may be cut into transfers anywhere: usb_ml_commands.cc writes a header of u32 length, u8 tag, 3 unused.
void NullDevice::take_stream(const std::byte* data, std::size_t size) {
  while (size != 0) {
    std::size_t step;
    if (header_bytes_ < kHeaderBytes) {
      step = std::min(size, kHeaderBytes - header_bytes_);
      std::memcpy(header_.data() + header_bytes_, data, step);
      header_bytes_ += step;
      if (header_bytes_ == kHeaderBytes) {
        payload_left_ = 0;
        for (int i = 3; i >= 0; --i) payload_left_ = payload_left_ << 8 | std::to_integer<std::size_t>(header_[i]);
      }
    } else {
      step = std::min(size, payload_left_);
      payload_left_ -= step;
    }
    data += step;
    size -= step;
    if (header_bytes_ == kHeaderBytes && payload_left_ == 0) end_payload();
  }
}

void NullDevice::end_payload() {
  header_bytes_ = 0;
  const int tag = std::to_integer<int>(header_[4]) & 0xF;
  const bool follows_code = std::exchange(has_only_code_, tag == kInstructions);
  if (tag == kInputs && ++inputs_seen_ == inputs_) {
    inputs_seen_ = 0;
    owed_.push(Owed::answers_and_event);
  } else if (tag == kParameters && follows_code && inputs_seen_ == 0) {
    owed_.push(Owed::event);
  }
}

void NullDevice::answer() {
  while (!owed_.is_empty()) {
    const std::size_t count = owed_.front() == Owed::answers_and_event ? answers_.size() : 0;
    for (; answer_index_ < count && !data_reads_.is_empty(); data_reads_.pop()) {
      Transfer& read = *data_reads_.front();
      const std::vector<std::byte>& bytes = answers_[answer_index_];
      const std::size_t size = std::min(read.size, bytes.size() - answer_offset_);
      std::memcpy(read.buffer, bytes.data() + answer_offset_, size);
      answer_offset_ += size;
      if (answer_offset_ == bytes.size()) {
        ++answer_index_;
        answer_offset_ = 0;
      }
      finish(read, Status::completed, size);
    }
    if (answer_index_ < count || event_reads_.is_empty()) return;
    Transfer& read = *event_reads_.front();
    event_reads_.pop();
    std::byte event[kEventBytes] = {};
    event[kEventTagAt] = std::byte{kCompletion};
    std::memcpy(read.buffer, event, std::min(read.size, kEventBytes));
    finish(read, read.size < kEventBytes ? Status::overflow : Status::completed, std::min(read.size, kEventBytes));
    answer_index_ = 0;
    owed_.pop();
  }
}

void NullDevice::finish(Transfer& transfer, Status status, std::size_t actual) {
  transfer.status = status;
  transfer.actual = actual;
  finished_.push(&transfer);
  finished_one_.notify_one();
}

bool NullDevice::call_finished(std::unique_lock<std::mutex>& lock) {
  bool called = false;
  for (std::size_t left = finished_.size(); left != 0 && !finished_.is_empty(); --left) {
    Transfer& transfer = *finished_.front();
    finished_.pop();
    --pending_;
    lock.unlock();
    transfer.is_pending = false;
    if (transfer.done != nullptr) transfer.done(transfer, transfer.context);
    called = true;
    lock.lock();
  }
  return called;
}

}  // namespace subgraft::usb
