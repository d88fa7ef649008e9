// What goes out on the wire: a header in front of each payload, and copies that turn signed elements into unsigned
// ones.
#pragma once

#include <cstddef>
#include <cstdint>

namespace subgraft::edgetpu {

// The Edge TPU computes on unsigned elements: the top bit of each signed one is inverted. The value is the bytes of an
// element.
enum class Flip : std::uint8_t { none = 0, bytes = 1, high_bytes = 2 };

// The bits to invert in eight bytes that begin with the first byte of an element.
constexpr std::uint64_t mask_of(Flip flip) {
  switch (flip) {
    case Flip::bytes:
      return 0x8080808080808080;
    case Flip::high_bytes:
      return 0x8000800080008000;
    default:
      return 0;
  }
}

// `from` begins with the first byte of an element. The two do not overlap.
void copy_flipped(std::byte* to, const std::byte* from, std::size_t size, Flip flip);

// What the payload of a message is, in its header and in events (libedgetpu driver/usb/usb_ml_commands.h). Events of
// scalar-core interrupt n are tagged interrupt0 + n.
enum class Tag : std::uint8_t { instructions = 0, input = 1, parameters = 2, output = 3, interrupt0 = 4 };
constexpr int kInterrupts = 4;
constexpr std::uint8_t kTagMask = 0xF;

// u32 length of the payload, u8 tag, 3 bytes of zeros; little-endian.
constexpr std::size_t kHeaderBytes = 8;
void write_header(std::byte* at, Tag tag, std::size_t payload_bytes);

}  // namespace subgraft::edgetpu
