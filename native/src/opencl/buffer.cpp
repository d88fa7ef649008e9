#include "opencl/buffer.h"

#include <cstring>

#include "core/errors.h"

namespace subgraft::opencl {

std::shared_ptr<Buffer> Buffer::make(const std::shared_ptr<Context>& context, std::size_t size, bool host_visible) {
  if (size == 0) throw ArgumentError("a buffer of 0 bytes cannot be made");
  const Context::Use use(*context);
  const abi::bits flags = abi::kMemReadWrite | (host_visible ? abi::kMemAllocHostPtr : 0);
  abi::memory* const raw =
      opencl::make(context->library().create_buffer, context->raw(), flags, size, static_cast<void*>(nullptr));
  return std::shared_ptr<Buffer>(new Buffer(context, raw, size, host_visible));
}

void Buffer::check_range(std::size_t size, std::size_t offset) const {
  if (offset > size_ || size > size_ - offset)
    throw ArgumentError(concat(size, " bytes at ", offset, " do not fit into a buffer of ", size_, " bytes"));
}

void Buffer::write(const void* from, std::size_t size, std::size_t offset) {
  check_range(size, offset);
  if (size == 0) return;
  const Context::Use use(context());
  abi::queue* const queue = context().queue();
  context().complete(queue, [&] { send(queue, from, size, offset); });
}

void Buffer::read(void* to, std::size_t size, std::size_t offset) {
  check_range(size, offset);
  if (size == 0) return;
  const Context::Use use(context());
  abi::queue* const queue = context().queue();
  context().complete(queue, [&] { receive(queue, to, size, offset); });
}

void Buffer::send(abi::queue* queue, const void* from, std::size_t size, std::size_t offset) const {
  if (!host_visible_) {
    call(context().library().write_buffer, queue, raw(), abi::kFalse, offset, size, from, 0U, nullptr, nullptr);
    return;
  }
  void* const mapped = map(queue, abi::kMapWriteInvalidateRegion, size, offset);
  std::memcpy(mapped, from, size);
  unmap(queue, mapped);
}

void Buffer::receive(abi::queue* queue, void* to, std::size_t size, std::size_t offset) const {
  if (!host_visible_) {
    call(context().library().read_buffer, queue, raw(), abi::kFalse, offset, size, to, 0U, nullptr, nullptr);
    return;
  }
  void* const mapped = map(queue, abi::kMapRead, size, offset);
  std::memcpy(to, mapped, size);
  unmap(queue, mapped);
}

void* Buffer::map(abi::queue* queue, abi::bits how, std::size_t size, std::size_t offset) const {
  return opencl::make(context().library().map_buffer, queue, raw(), abi::kTrue, how, offset, size, 0U, nullptr,
                      nullptr);
}

void Buffer::unmap(abi::queue* queue, void* mapped) const {
  call(context().library().unmap, queue, raw(), mapped, 0U, nullptr, nullptr);
}

}  // namespace subgraft::opencl
