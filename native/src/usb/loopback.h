// A USB device that another thread plays: it takes the requests of the device's user one by one and completes them.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "usb/device.h"

namespace subgraft::usb {

// One request to the player. `close` is told to every take() once the device is closed or unplugged.
struct Urb {
  enum class Kind : std::uint8_t { control, bulk, interrupt, claim, release, clear_halt, reset, cancel, close };

  std::uint64_t id = 0;  // of a cancel: the id of the request that is no longer wanted
  Kind kind = Kind::close;
  std::uint8_t endpoint = 0;                     // bit 7: IN; of a control transfer bit 7 alone may be set
  int interface = 0;                             // of claim and release
  std::array<std::uint8_t, 8> setup{};           // of a control transfer
  std::shared_ptr<const std::byte[]> data = {};  // of what goes OUT: a copy, which may outlive the request
  std::size_t size = 0;                          // bytes to send, or at most to receive
  std::chrono::milliseconds timeout{0};          // of a control transfer and of a command; 0: until it is cancelled

  bool is_in() const { return (endpoint & 0x80) != 0; }
};

const char* name_of(Urb::Kind kind);

// Both sides may be called from any thread. A player that died or never was keeps nobody: every request ends at its
// own time limit, and a cancelled one soon after.
class Loopback final : public Device {
 public:
  // farewell: how long close() waits for the player's farewell().
  explicit Loopback(int speed_mbps, Clock::duration farewell = Clock::duration::zero())
      : speed_mbps_(speed_mbps), farewell_(farewell) {}
  ~Loopback() override;

  // The user's side.
  std::size_t control(std::uint8_t request_type, std::uint8_t request, std::uint16_t value, std::uint16_t index,
                      std::byte* data, std::size_t size, std::chrono::milliseconds timeout) override;
  void submit(Transfer& transfer) override;
  void cancel(Transfer& transfer) override;
  bool wait(Clock::time_point until) override;
  void claim(int interface) override;
  void release(int interface) override;
  void clear_halt(std::uint8_t endpoint) override;
  void reset() override;
  void close() override;
  int speed_mbps() const override { return speed_mbps_; }

  // The player's side. Requests come in the order in which they were made.
  std::optional<Urb> take(Clock::time_point until);
  // Ends a request: IN with `size` bytes of `data`, OUT with `size` bytes taken (all of them when completed and not
  // told). False: nobody waits for it any more.
  bool complete(std::uint64_t id, Status status, const std::byte* data, std::optional<std::size_t> size);
  // Whether somebody still waits for it: neither completed nor cancelled.
  bool is_wanted(std::uint64_t id);
  bool is_over();  // closed or unplugged
  // Everything pending and everything to come ends with no_device; take() returns `close`.
  void unplug();
  // Of a player that has let go of what it plays with.
  void farewell();

 private:
  struct Call {  // a control transfer or a command, waited for by the thread that made it
    std::byte* buffer = nullptr;
    bool is_done = false;
    Status status = Status::completed;
    std::size_t actual = 0;
  };
  struct Request {
    bool is_in;
    std::size_t size;
    Transfer* transfer;  // or
    Call* call;
    bool is_taken = false;
    std::optional<Clock::time_point> gives_up = std::nullopt;  // set when cancelled: the player's last chance
  };
  struct Finished {
    Transfer* transfer;
    Status status;
    std::size_t actual;
  };

  std::size_t ask(Urb urb, std::byte* buffer, std::chrono::milliseconds timeout, const std::string& what);
  void command(Urb::Kind kind, std::uint8_t endpoint, int interface, const std::string& what);
  std::uint64_t enqueue(Urb urb, Transfer* transfer, Call* call);
  void withdraw(std::uint64_t id, const Request& request);
  void finish(std::map<std::uint64_t, Request>::iterator entry, Status status, std::size_t actual);
  void finish_all(Status status);
  Clock::time_point give_up_cancelled(Clock::time_point now);
  bool run_callbacks(std::unique_lock<std::mutex>& lock);
  void refuse_if_gone(const std::string& what) const;

  const int speed_mbps_;
  const Clock::duration farewell_;
  std::mutex mutex_;
  std::condition_variable asked_;     // the player waits for it
  std::condition_variable answered_;  // the user waits for it
  std::deque<Urb> queue_;
  std::map<std::uint64_t, Request> requests_;  // by id: taken or in the queue
  std::vector<Finished> finished_;             // their callbacks are due in wait()
  std::uint64_t next_id_ = 1;
  std::size_t transfers_ = 0;  // requests_ that are transfers
  bool is_closed_ = false;
  bool is_unplugged_ = false;
  bool has_said_farewell_ = false;
};

}  // namespace subgraft::usb
