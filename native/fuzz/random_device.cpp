#include "random_device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace subgraft::fuzz {

using edgetpu::Step;
using usb::Status;
using usb::Transfer;

std::uint64_t Random::below(std::uint64_t bound) {
  std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return bound == 0 ? 0 : (z ^ (z >> 31)) % bound;
}

std::uint64_t mix(std::uint64_t hash, std::byte heard) {
  return (hash ^ std::to_integer<std::uint64_t>(heard)) * 0x100000001B3;
}

std::byte answer(std::uint64_t hash, std::size_t step, std::size_t i) {
  return static_cast<std::byte>(((hash ^ (step * 0x9E3779B97F4A7C15)) + i * 0xBF58476D1CE4E5B9) >> 37);
}

RandomDevice::RandomDevice(std::vector<std::vector<Step>> scripts, int speed_mbps, bool has_faults, std::uint64_t seed)
    : scripts_(std::move(scripts)), speed_mbps_(speed_mbps), has_faults_(has_faults), random_(seed) {
  sends_whole_outputs_ = random_.below(2);
}

RandomDevice::Queue& RandomDevice::queue_of(const Transfer& transfer) {
  if (transfer.is_interrupt) return interrupts_;
  return transfer.endpoint == 0x01 ? outs_ : transfer.endpoint == 0x82 ? events_ : reads_;
}

void RandomDevice::submit(Transfer& transfer) {
  const std::lock_guard lock(mutex_);
  if (is_gone_) throw usb::Error(Status::no_device, "gone");
  if (has_faults_ && random_.below(400) == 0) throw usb::Error(Status::no_memory, "no memory");
  queue_of(transfer).push_back(&transfer);
  transfer.is_pending = true;
  ++pending_;
  changed_.notify_all();
}

void RandomDevice::cancel(Transfer& transfer) {
  const std::lock_guard lock(mutex_);
  Queue& queue = queue_of(transfer);
  const auto found = std::find(queue.begin(), queue.end(), &transfer);
  if (found == queue.end()) throw usb::Error(Status::not_found, "not pending");
  queue.erase(found);
  transfer.status = Status::cancelled;
  transfer.actual = 0;
  done_.push_back(&transfer);
  changed_.notify_all();
}

std::size_t RandomDevice::pending() {
  const std::lock_guard lock(mutex_);
  return pending_;
}

bool RandomDevice::has_lied() {
  const std::lock_guard lock(mutex_);
  return has_lied_;
}

bool RandomDevice::wait(usb::Clock::time_point until) {
  std::unique_lock lock(mutex_);
  for (bool looked = false; done_.empty(); looked = true) {
    const std::size_t most = 1 + random_.below(4);
    std::size_t acted = 0;
    while (acted < most && act()) ++acted;
    if (!done_.empty()) break;
    if (pending_ == 0 || (looked && usb::Clock::now() >= until)) return false;
    if (acted == 0) changed_.wait_until(lock, until);
  }
  const std::vector<Transfer*> batch = std::exchange(done_, {});
  pending_ -= batch.size();
  lock.unlock();
  for (Transfer* transfer : batch) {
    transfer->is_pending = false;
    transfer->done(*transfer, transfer->context);
  }
  return true;
}

void RandomDevice::finish(Queue& queue, Status status, std::size_t actual) {
  Transfer& transfer = *queue.front();
  queue.pop_front();
  transfer.status = status;
  transfer.actual = actual;
  done_.push_back(&transfer);
}

// One thing that may happen now; false: nothing can.
bool RandomDevice::act() {
  if (is_silent_) return false;
  if (is_gone_) {
    for (Queue* queue : {&outs_, &reads_, &events_, &interrupts_})
      while (!queue->empty()) finish(*queue, Status::no_device, 0);
    return !done_.empty();
  }
  if (has_faults_ && random_.below(40) == 0) go_wrong();
  const bool first = random_.below(2);
  return (first ? take_out() : go_on()) || (first ? go_on() : take_out()) ||
         (!due_events_.empty() && tell(due_events_.front()));
}

bool RandomDevice::take_out() {
  if (outs_.empty()) return false;
  const Transfer& transfer = *outs_.front();
  heard_.insert(heard_.end(), transfer.buffer, transfer.buffer + transfer.size);
  finish(outs_, Status::completed, transfer.size);
  return true;
}

// The next thing of the run that is not a matter of transfers alone.
bool RandomDevice::go_on() {
  if (!due_events_.empty() && random_.below(2) && tell(due_events_.front())) return true;
  if (script_ == nullptr) {
    if (heard_.size() < 9) return false;
    const std::size_t id = std::to_integer<std::size_t>(heard_[8]);
    if (id >= scripts_.size()) {  // bytes of one run in the middle of another's
      if (!has_faults_) std::abort();
      is_silent_ = true;
      return false;
    }
    script_ = &scripts_[id];
    step_ = said_ = 0;
    hash_ = kSeed;
  }
  if (step_ == script_->size()) {
    script_ = nullptr;
    return true;
  }
  const Step& step = (*script_)[step_];
  switch (step.kind) {
    case Step::Kind::send:
      if (heard_.size() < 8 + step.size) return false;
      for (std::size_t i = 0; i < 8 + step.size; ++i) hash_ = mix(hash_, heard_[i]);
      heard_.erase(heard_.begin(), heard_.begin() + static_cast<std::ptrdiff_t>(8 + step.size));
      break;
    case Step::Kind::receive:
      if (said_ < step.size) return say(step);
      said_ = 0;
      break;
    case Step::Kind::interrupt:
      due_events_.push_back(4 + static_cast<int>(step.index));
      break;
    case Step::Kind::fence:
      if (!due_events_.empty()) return false;
      break;
  }
  ++step_;
  return true;
}

std::size_t RandomDevice::piece(std::size_t capacity, std::size_t rest) {
  const std::size_t most = std::min(capacity, rest);
  return sends_whole_outputs_ || random_.below(2) ? most : random_.below(most + 1);
}

// Bytes of this step and, if they follow at once, of the next ones.
bool RandomDevice::say(const Step& step) {
  if (reads_.empty()) return false;
  Transfer& read = *reads_.front();
  std::size_t size = piece(read.size, step.size - said_);
  for (std::size_t i = 0; i < size; ++i) read.buffer[i] = answer(hash_, step_, said_ + i);
  said_ += size;
  if (said_ == step.size && !sends_whole_outputs_ && random_.below(3) == 0 && step_ + 1 < script_->size() &&
      (*script_)[step_ + 1].kind == Step::Kind::receive) {
    ++step_;
    said_ = piece(read.size - size, (*script_)[step_].size);
    for (std::size_t i = 0; i < said_; ++i) read.buffer[size + i] = answer(hash_, step_, i);
    size += said_;
  }
  finish(reads_, Status::completed, size);
  return true;
}

bool RandomDevice::tell(int tag) {
  if (events_.empty()) return false;
  std::memset(events_.front()->buffer, 0, 16);
  events_.front()->buffer[12] = static_cast<std::byte>(tag);
  finish(events_, Status::completed, 16);
  due_events_.pop_front();
  return true;
}

void RandomDevice::go_wrong() {
  Queue* queues[] = {&outs_, &reads_, &events_, &interrupts_};
  Queue& queue = *queues[random_.below(4)];
  switch (random_.below(6)) {
    case 0:
      is_silent_ = true;
      return;
    case 1:
      is_gone_ = true;
      return;
    case 2:
      if (!queue.empty())
        finish(queue, static_cast<Status>(1 + random_.below(12)), random_.below(queue.front()->size + 1));
      return;
    case 3:  // any number of any bytes
      has_lied_ = true;
      if (queue.empty() || &queue == &outs_) return;
      for (std::size_t i = 0; i < queue.front()->size; ++i)
        queue.front()->buffer[i] = static_cast<std::byte>(random_.below(256));
      finish(queue, Status::completed, random_.below(queue.front()->size + 1));
      return;
    case 4:  // more than can be
      has_lied_ = true;
      if (!queue.empty()) finish(queue, Status::completed, queue.front()->size + random_.below(10'000));
      return;
    default:
      due_events_.push_back(static_cast<int>(random_.below(16)));
  }
}

}  // namespace subgraft::fuzz
