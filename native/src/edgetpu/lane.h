// One run of a script on a device, from its first byte out to its last byte in.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "edgetpu/endpoints.h"
#include "edgetpu/script.h"

namespace subgraft::edgetpu {

// How much goes into one transfer.
struct TransferSizes {
  std::size_t max_bulk_out_bytes = 0;
  bool header_apart = false;         // the header is a transfer of its own
  std::size_t packet_bytes = 0;      // of a full packet: reads are multiples of it
  std::size_t max_posted_bytes = 0;  // of pending reads
  std::size_t chunk_bytes = 0;       // the device ends a packet after as many bytes of output
};

// The messages with constant instructions, in memory that this device takes fastest.
using Constants = std::vector<std::shared_ptr<std::byte>>;  // one per step; none: the script's own
Constants load_constants(const Script& script, usb::Device& device);

// The memory of one run in flight.
struct Buffers {
  // Throws std::bad_alloc.
  Buffers(const Script& script, usb::Device& device, const TransferSizes& sizes);

  bool is_in_flight() const;
  // Forgets what the last run left.
  void reset(const Script& script);
  // One that can be posted; none: all are posted, or hold outputs that are still read.
  Flight* next_read();

  std::vector<std::shared_ptr<std::byte>> messages;  // one per step, where the payload is an input or scratch
  std::vector<Flight> reads;
  bool reads_are_whole = false;  // each read is as long as one receive step, and its bytes are used where they land
  std::size_t read_yield = 0;    // bytes that one read brings at most; 0: as long as it is
  std::unique_ptr<std::byte[]> landing;   // of the reads
  std::unique_ptr<std::byte[]> received;  // outputs as the device sends them, where not used where they land
  std::unique_ptr<std::byte[]> scratch;
  std::vector<const std::byte*> sources;  // per output: its bytes as the device sent them

 private:
  void plan_reads(const Script& script, const TransferSizes& sizes);
  std::size_t turn_ = 0;
};

class Lane {
 public:
  explicit Lane(const TransferSizes& sizes) : sizes_(sizes) {}

  // Fills the messages with the inputs. The tensors of run number `run` lie one behind the other.
  void start(const Script& script, const Constants& constants, Buffers& buffers,
             std::span<const std::byte* const> inputs, std::span<std::byte* const> outputs, std::size_t run);
  // Sends as much as may be sent now. True: everything is sent and all output bytes are here, so that the next run may
  // send.
  bool advance(Endpoints& endpoints);

  // One of its transfers out has ended.
  void acknowledge(const Flight& out);
  // The bytes of a read; returns how many there are beyond the last output.
  std::size_t take(Flight& read);
  void take_event(std::uint8_t tag);  // throws Error
  // Writes one output that arrived into its tensor; false: there is none.
  bool deliver();

  bool has_begun() const { return at_.has_begun; }
  bool has_received() const { return at_.received == script_->receives().size(); }
  bool has_events() const { return at_.events == script_->interrupts().size(); }
  bool is_done() const;
  // What it waits for: "step 2 of 4 (send input 0): endpoint 0x01 took 65536 of 150536 bytes".
  std::string where() const;

 private:
  bool advance_step(Endpoints& endpoints, const Step& step);
  bool send(Endpoints& endpoints, const Step& step);
  void post_reads(Endpoints& endpoints);
  void stage(std::span<const std::byte* const> inputs);
  std::string in_step(std::size_t step) const;
  std::size_t message_bytes(std::size_t step) const { return kHeaderBytes + script_->steps()[step].size; }

  const TransferSizes& sizes_;
  const Script* script_ = nullptr;
  const Constants* constants_ = nullptr;
  Buffers* buffers_ = nullptr;
  std::span<std::byte* const> outputs_;
  std::size_t run_ = 0;

  struct Progress {
    bool has_begun = false;
    std::size_t step = 0;          // the next to be done
    std::size_t sent = 0;          // bytes of that step's message that are given to the device
    std::size_t outs = 0;          // transfers out that have not ended
    std::size_t taken_step = 0;    // the send that the device took last
    std::size_t taken = 0;         // bytes of its message that the device took
    std::size_t due_receives = 0;  // among the steps before `step`
    std::size_t due_events = 0;
    std::size_t received = 0;   // receives that are complete
    std::size_t filled = 0;     // bytes of the one after them
    std::size_t delivered = 0;  // receives whose output, if they end one, is in its tensor
    std::size_t events = 0;
    std::size_t posted = 0;         // receives that the posted reads complete, if the device sends as expected
    std::size_t posted_filled = 0;  // and bytes of the one after them
  } at_;
};

}  // namespace subgraft::edgetpu
