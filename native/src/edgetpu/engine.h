// Runs scripts on one Edge TPU: two runs in flight, and every wait bounded.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "edgetpu/endpoints.h"
#include "edgetpu/lane.h"
#include "edgetpu/script.h"
#include "usb/device.h"

namespace subgraft::edgetpu {

struct EngineOptions {
  std::size_t max_bulk_out_bytes = std::size_t{1} << 20;  // of one transfer
  int bulk_outs = 3;                                      // transfers out that are pending at most
  std::size_t read_chunk_bytes = 0;  // the chunks in which the device sends outputs; 0: its default at this speed
  // Of reads that are pending at once; the kernel has 16 MB for the transfers of all USB devices.
  std::size_t max_posted_bytes = std::size_t{4} << 20;
  bool header_apart = false;  // for hosts that must not send a header and its payload in one transfer
  std::chrono::milliseconds drain_timeout{1000};
};

// Any number of threads may call at once: one of them waits for the device on behalf of all. The device's submit() and
// cancel() are called while another thread is in its wait().
//
// A failure is final. Everything pending is cancelled, every later call throws the same error, and the device has to be
// opened again, because nobody knows what it is in the middle of.
class Engine {
 public:
  using Clock = usb::Clock;
  using Ticket = std::uint64_t;

  // Throws ArgumentError for options that make no sense.
  static std::shared_ptr<Engine> open(std::shared_ptr<usb::Device> device, const EngineOptions& options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() = default;  // of one that open() made, only after its drain()

  // Starts `runs` runs. Each input and output holds that many tensors one behind the other; they stay untouched by the
  // caller until wait() has returned. Throws ArgumentError when too many tickets were not waited for.
  Ticket submit(const std::shared_ptr<const Script>& script, std::span<const std::byte* const> inputs,
                std::span<std::byte* const> outputs, std::size_t runs);
  // Returns when the outputs are written. Throws Error and usb::Error. A request that has sent nothing yet when its
  // time is up is withdrawn, and the engine is none the worse for it.
  void wait(Ticket ticket, Clock::time_point until);
  // Both in one; waits for others where there are too many.
  void run(const std::shared_ptr<const Script>& script, std::span<const std::byte* const> inputs,
           std::span<std::byte* const> outputs, std::size_t runs, Clock::time_point until);

  // Cancels all that is pending and waits for its end, in bounded time. False: some of it has not ended.
  bool drain();
  // After a failure, and after a drain() that left a run unfinished.
  bool needs_recovery() const;
  // Top-level interrupts seen so far: bit n + 1 is top-level interrupt n, as in the interrupt's word.
  std::uint32_t interrupts() const;

  static constexpr std::size_t kMaxTickets = 8;
  static constexpr std::size_t kLanes = 2;

 private:
  struct Loaded {
    std::weak_ptr<const Script> script;
    Constants constants;
    std::array<std::unique_ptr<Buffers>, kLanes> buffers;
  };
  struct Request {
    Ticket ticket = 0;  // 0: free
    std::shared_ptr<const Script> script;
    std::shared_ptr<Loaded> loaded;
    std::vector<const std::byte*> inputs;
    std::vector<std::byte*> outputs;
    std::size_t runs = 0, started = 0, finished = 0;
  };
  struct Active {
    Lane lane;
    Request* request = nullptr;
  };
  using Lock = std::unique_lock<std::mutex>;

  Engine(std::shared_ptr<usb::Device> device, const EngineOptions& options);
  static void retire(Engine* engine);

  std::shared_ptr<Loaded> load(const std::shared_ptr<const Script>& script, bool twice);
  Request* find(Ticket ticket);
  Request& request_of(Ticket ticket);  // throws ArgumentError
  void let_go(Request& request);
  // The lanes in use, oldest first.
  Active& active(std::size_t i) { return lanes_[(first_ + i) % kLanes]; }
  Lane* oldest(bool (*is_it)(const Lane&));

  bool is_idle() const { return count_ == 0 && next_started_ == next_ticket_; }
  void look_before_start(Lock& lock);
  Ticket submit(Lock& lock, const std::shared_ptr<const Script>& script, std::span<const std::byte* const> inputs,
                std::span<std::byte* const> outputs, std::size_t runs);
  void wait(Lock& lock, Ticket ticket, Clock::time_point until);
  // Waits for something to happen and does what can be done then; what goes wrong becomes the failure.
  void turn(Lock& lock, Clock::time_point until);

  // All that can be done without waiting. Throws what ends the request.
  void work();
  void settle();
  void settle_interrupt(std::uint32_t word);
  void settle_out(Flight& out);
  void settle_event(std::uint8_t tag);
  void settle_read(Flight& read);
  bool finish_runs();
  void start_runs();
  void send();
  bool deliver();

  // Waits until something ended, some other thread let go of the device, or a short time is over.
  void pump(Lock& lock, Clock::time_point until);
  bool drain(Lock& lock, Clock::time_point until);
  void break_off(std::exception_ptr failure);
  [[noreturn]] void fail(Lock& lock);
  [[noreturn]] void give_up(Lock& lock, Request& request);
  void wake() {
    if (waiting_ > 0) changed_.notify_all();
  }

  const std::shared_ptr<usb::Device> device_;
  const EngineOptions options_;
  TransferSizes sizes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Endpoints endpoints_;
  std::vector<std::shared_ptr<Loaded>> loaded_;
  std::array<Request, kMaxTickets> requests_;
  Ticket next_ticket_ = 1;   // to be given
  Ticket next_started_ = 1;  // to be started
  std::array<Active, kLanes> lanes_;
  std::size_t first_ = 0, count_ = 0;  // of the lanes in use
  bool is_pumping_ = false;            // a thread is in the device's wait()
  int waiting_ = 0;                    // threads that wait for that thread
  std::uint32_t interrupts_ = 0;
  std::exception_ptr failure_;
  Clock::time_point drained_by_;  // after a failure
};

}  // namespace subgraft::edgetpu
