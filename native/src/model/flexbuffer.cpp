#include "model/flexbuffer.h"

#include <bit>
#include <cstring>
#include <limits>

#include "core/errors.h"

namespace subgraft::flexbuffer {
namespace {

static_assert(std::endian::native == std::endian::little, "flexbuffers are little-endian and are read in place");

// The type numbers of the format ("FlexBuffers binary format" in the flatbuffers documentation).
enum Type : uint8_t {
  kNull = 0,
  kInt = 1,
  kUInt = 2,
  kFloat = 3,
  kKey = 4,
  kString = 5,
  kIndirectInt = 6,
  kIndirectUInt = 7,
  kIndirectFloat = 8,
  kMap = 9,
  kVector = 10,
  kVectorInt = 11,
  kVectorKey = 14,
  kVectorString = 15,  // deprecated, but files have it
  kVectorInt2 = 16,
  kVectorFloat4 = 24,
  kBlob = 25,
  kBool = 26,
  kVectorBool = 36,
};

constexpr int kDeepest = 64;
constexpr uint64_t kMaxExpansion = 64;  // decoded bytes for each byte of the buffer

class Decoder {
 public:
  explicit Decoder(Bytes bytes) : bytes_(bytes), budget_((bytes.size() + 1024) * kMaxExpansion) {}

  // The last three bytes or more: the root value, its packed type, its width.
  Value root() {
    if (bytes_.size() < 3) throw ModelError(concat("a flexbuffer of ", bytes_.size(), " bytes is too short"));
    const auto width = load<uint8_t>(bytes_.size() - 1);
    const auto packed = load<uint8_t>(bytes_.size() - 2);
    check_width(width);
    if (bytes_.size() < size_t{2} + width) throw ModelError("the root of a flexbuffer lies outside it");
    return value(bytes_.size() - 2 - width, width, packed, 0);
  }

 private:
  // The value whose slot of `width` bytes is at `at`.
  Value value(size_t at, size_t width, uint8_t packed, int depth) {
    if (depth > kDeepest) throw ModelError(concat("a flexbuffer is nested over ", kDeepest, " deep"));
    const uint8_t type = packed >> 2;
    const size_t inner = size_t{1} << (packed & 3);
    switch (type) {
      case kNull:
        return {};
      case kBool:
        return {unsigned_at(at, width) != 0};
      case kInt:
        return {signed_at(at, width)};
      case kUInt:
        return {unsigned_at(at, width)};
      case kFloat:
        return {float_at(at, width)};
      default:
        break;
    }
    const size_t target = follow(at, width);
    switch (type) {
      case kIndirectInt:
        return {signed_at(target, inner)};
      case kIndirectUInt:
        return {unsigned_at(target, inner)};
      case kIndirectFloat:
        return {float_at(target, inner)};
      case kKey:
        return {key(target)};
      case kString:
        return {text(slice(target, length_before(target, inner)))};
      case kBlob:
        return {blob(target, inner)};
      case kMap:
        return {map(target, inner, depth)};
      case kVector:
        return {vector(target, inner, depth)};
      case kVectorBool:
        return {typed(target, inner, length_before(target, inner), kBool, depth)};
      default:
        break;
    }
    if (type >= kVectorInt && type <= kVectorString)
      return {
          typed(target, inner, length_before(target, inner), static_cast<uint8_t>(kInt + type - kVectorInt), depth)};
    if (type >= kVectorInt2 && type <= kVectorFloat4) {  // int, uint, float of 2, then of 3, then of 4 elements
      const int i = type - kVectorInt2;
      return {typed(target, inner, static_cast<uint64_t>(2 + i / 3), static_cast<uint8_t>(kInt + i % 3), depth)};
    }
    throw ModelError(concat("a flexbuffer value has the unknown type ", int{type}));
  }

  // Elements whose types follow the last element, a byte each.
  Vector vector(size_t target, size_t width, int depth) {
    const uint64_t length = length_before(target, width);
    check(target, length * (width + 1));
    const size_t types = target + length * width;
    spend(length * sizeof(Value));
    Vector elements;
    elements.reserve(length);
    for (size_t i = 0; i < length; ++i)
      elements.push_back(value(target + i * width, width, load<uint8_t>(types + i), depth + 1));
    return elements;
  }

  // Elements of one type. Nested ones are keys and strings, always a byte wide inside.
  Vector typed(size_t target, size_t width, uint64_t length, uint8_t type, int depth) {
    check(target, length * width);
    const auto packed = static_cast<uint8_t>(type << 2);
    spend(length * sizeof(Value));
    Vector elements;
    elements.reserve(length);
    for (size_t i = 0; i < length; ++i) elements.push_back(value(target + i * width, width, packed, depth + 1));
    return elements;
  }

  // A vector of values that has, before its length, the width of the keys and a reference to them.
  Map map(size_t target, size_t width, int depth) {
    if (target < 3 * width) throw ModelError("a map in a flexbuffer begins before it");
    const size_t keys = follow(target - 3 * width, width);
    const uint64_t keys_width = unsigned_at(target - 2 * width, width);
    check_width(keys_width);
    Vector values = vector(target, width, depth);
    if (length_before(keys, keys_width) != values.size())
      throw ModelError(concat("a map in a flexbuffer has ", values.size(), " values, but not as many keys"));
    check(keys, values.size() * keys_width);
    spend(values.size() * sizeof(Map::value_type));
    Map entries;
    entries.reserve(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      entries.push_back({key(follow(keys + i * keys_width, keys_width)), std::move(values[i])});
    }
    return entries;
  }

  std::string key(size_t target) {
    const Bytes rest = bytes_.subspan(target);
    const void* end = std::memchr(rest.data(), 0, rest.size());
    if (!end) throw ModelError("a key in a flexbuffer has no end");
    return text(rest.first(static_cast<size_t>(static_cast<const std::byte*>(end) - rest.data())));
  }

  std::string text(Bytes bytes) {
    spend(bytes.size());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  Blob blob(size_t target, size_t width) {
    const Bytes bytes = slice(target, length_before(target, width));
    spend(bytes.size());
    return {{bytes.begin(), bytes.end()}};
  }

  uint64_t length_before(size_t target, size_t width) {
    if (target < width) throw ModelError("a vector in a flexbuffer begins before it");
    const uint64_t length = unsigned_at(target - width, width);
    if (length > bytes_.size())
      throw ModelError(concat("a vector of ", length, " elements is longer than its flexbuffer"));
    return length;
  }

  // References count backwards from their own slot; 0 is what comes after an empty vector.
  size_t follow(size_t at, size_t width) {
    const uint64_t distance = unsigned_at(at, width);
    if (distance > at)
      throw ModelError(concat("a reference in a flexbuffer points ", distance, " bytes back from byte ", at));
    return at - distance;
  }

  int64_t signed_at(size_t at, size_t width) {
    switch (width) {
      case 1:
        return load<int8_t>(at);
      case 2:
        return load<int16_t>(at);
      case 4:
        return load<int32_t>(at);
      default:
        return load<int64_t>(at);
    }
  }

  uint64_t unsigned_at(size_t at, size_t width) {
    switch (width) {
      case 1:
        return load<uint8_t>(at);
      case 2:
        return load<uint16_t>(at);
      case 4:
        return load<uint32_t>(at);
      default:
        return load<uint64_t>(at);
    }
  }

  double float_at(size_t at, size_t width) {
    if (width == 4) return load<float>(at);
    if (width == 8) return load<double>(at);
    throw ModelError(concat("a flexbuffer has a real number of ", width, " bytes"));
  }

  template <typename T>
  T load(size_t at) {
    check(at, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }

  Bytes slice(size_t at, uint64_t length) {
    check(at, length);
    return bytes_.subspan(at, length);
  }

  void check(size_t at, uint64_t length) {
    if (at > bytes_.size() || length > bytes_.size() - at)
      throw ModelError(concat("a value at byte ", at, " of a flexbuffer (", length, " bytes) lies outside its ",
                              bytes_.size(), " bytes"));
  }

  static void check_width(uint64_t width) {
    if (width != 1 && width != 2 && width != 4 && width != 8)
      throw ModelError(concat("a flexbuffer has values of ", width, " bytes"));
  }

  void spend(uint64_t decoded_bytes) {
    if (decoded_bytes > budget_) throw ModelError("a flexbuffer refers to the same data over and over");
    budget_ -= decoded_bytes;
  }

  Bytes bytes_;
  uint64_t budget_;
};

}  // namespace

Value decode(Bytes bytes) { return Decoder(bytes).root(); }

const Value* Value::find(std::string_view key) const {
  const Map* map = std::get_if<Map>(&held);
  if (!map) return nullptr;
  for (const auto& [name, value] : *map)
    if (name == key) return &value;
  return nullptr;
}

int64_t Value::integer(std::string_view key, int64_t fallback) const {
  const Value* value = find(key);
  if (!value) return fallback;
  if (const auto* number = std::get_if<bool>(&value->held)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value->held)) return *number;
  if (const auto* number = std::get_if<uint64_t>(&value->held))
    return *number <= uint64_t{std::numeric_limits<int64_t>::max()} ? static_cast<int64_t>(*number) : fallback;
  if (const auto* number = std::get_if<double>(&value->held)) {
    constexpr double kLimit = 9223372036854775808.0;  // 2^63
    return *number >= -kLimit && *number < kLimit ? static_cast<int64_t>(*number) : fallback;
  }
  return fallback;
}

double Value::real(std::string_view key, double fallback) const {
  const Value* value = find(key);
  if (!value) return fallback;
  if (const auto* number = std::get_if<bool>(&value->held)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value->held)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<uint64_t>(&value->held)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<double>(&value->held)) return *number;
  return fallback;
}

bool Value::boolean(std::string_view key, bool fallback) const { return integer(key, fallback) != 0; }

std::string Value::text(std::string_view key) const {
  const Value* value = find(key);
  const std::string* text = value ? std::get_if<std::string>(&value->held) : nullptr;
  return text ? *text : std::string();
}

}  // namespace subgraft::flexbuffer
