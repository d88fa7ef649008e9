// Memory of a device, and how bytes get there and back.
#pragma once

#include <cstddef>
#include <memory>

#include "opencl/context.h"

namespace subgraft::opencl {

class Buffer {
 public:
  // host_visible: memory that the processor can reach too, which is then mapped instead of copied through the driver.
  // For devices that share the processor's memory; elsewhere it is slow for the device.
  static std::shared_ptr<Buffer> make(const std::shared_ptr<Context>& context, std::size_t size, bool host_visible);

  std::size_t size() const { return size_; }
  void write(const void* from, std::size_t size, std::size_t offset);
  void read(void* to, std::size_t size, std::size_t offset);

  // For the time of a Use: appended to the queue. `from` and `to` stay the queue's until it was waited for.
  void send(abi::queue* queue, const void* from, std::size_t size, std::size_t offset) const;
  void receive(abi::queue* queue, void* to, std::size_t size, std::size_t offset) const;

  // Throws ArgumentError for what does not fit.
  void check_range(std::size_t size, std::size_t offset) const;

  Context& context() const { return memory_.context(); }
  abi::memory* raw() const { return memory_.raw(); }  // for the time of a Use

 private:
  Buffer(const std::shared_ptr<Context>& context, abi::memory* raw, std::size_t size, bool host_visible)
      : memory_(context, raw), size_(size), host_visible_(host_visible) {}
  void* map(abi::queue* queue, abi::bits how, std::size_t size, std::size_t offset) const;
  void unmap(abi::queue* queue, void* mapped) const;

  const Held<abi::memory> memory_;
  const std::size_t size_;
  const bool host_visible_;
};

}  // namespace subgraft::opencl
