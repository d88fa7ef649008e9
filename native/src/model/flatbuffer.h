// A view of a flatbuffer that trusts nothing: every access is checked against the file, alignment is never assumed,
// and what may be decoded in total is bounded by the file's size. The format: flatbuffers.dev, "Internals".
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/errors.h"
#include "model/model.h"

namespace subgraft::flatbuffer {

static_assert(std::endian::native == std::endian::little, "a .tflite file is little-endian and is read in place");

class Source {
 public:
  explicit Source(Bytes bytes) : bytes_(bytes) {}

  size_t size() const { return bytes_.size(); }

  template <typename T>
  T load(size_t at) const {
    check(at, sizeof(T), "a value");
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }

  // Follows the reference stored at `at`.
  size_t target(size_t at) const {
    const auto distance = load<uint32_t>(at);
    if (distance == 0) throw ModelError(concat("the reference at byte ", at, " of the file points at itself"));
    check(at + distance, sizeof(uint32_t), "what a reference points at");
    return at + distance;
  }

  Bytes slice(uint64_t at, uint64_t length, const char* what) const {
    check(at, length, what);
    return bytes_.subspan(at, length);
  }

  void check(uint64_t at, uint64_t length, const char* what) const {
    if (at > bytes_.size() || length > bytes_.size() - at)
      throw ModelError(
          concat(what, " at byte ", at, " (", length, " bytes) lies outside the file of ", bytes_.size(), " bytes"));
  }

  // Counts memory that decoding is about to take. Honest files never share tables or vectors enough to reach the
  // bound; a hostile one that refers to one vector a million times does.
  void spend(uint64_t decoded_bytes) {
    if (decoded_bytes > budget_)
      throw ModelError("the file refers to the same data so often that it would unfold to many times its size");
    budget_ -= decoded_bytes;
  }

 private:
  static constexpr uint64_t kMaxExpansion = 32;  // decoded bytes for each byte of the file; real models reach 5
  static constexpr uint64_t kSmallFile = uint64_t{1} << 20;
  static constexpr uint64_t kMostMemory = uint64_t{1} << 32;

  Bytes bytes_;
  uint64_t budget_ = std::min((bytes_.size() + kSmallFile) * kMaxExpansion, kMostMemory);
};

class Tables;

class Table {
 public:
  Table(Source& source, size_t at) : source_(&source), at_(at) {
    const int64_t distance = source.load<int32_t>(at);
    const int64_t vtable = static_cast<int64_t>(at) - distance;
    if (vtable < 0) throw ModelError(concat("the table at byte ", at, " has its vtable before the file"));
    vtable_ = static_cast<size_t>(vtable);
    vtable_size_ = source.load<uint16_t>(vtable_);
    if (vtable_size_ < 4 || vtable_size_ % 2 != 0)
      throw ModelError(concat("the table at byte ", at, " has a vtable of ", vtable_size_, " bytes"));
    source.check(vtable_, vtable_size_, "a vtable");
  }

  bool has(int id) const { return position(id) != 0; }

  template <typename T>
  T scalar(int id, T fallback = {}) const {
    const size_t at = position(id);
    if (at == 0) return fallback;
    if constexpr (std::same_as<T, bool>)
      return source_->load<uint8_t>(at) != 0;
    else
      return source_->load<T>(at);
  }

  std::optional<Table> table(int id) const {
    const size_t at = position(id);
    if (at == 0) return std::nullopt;
    return Table(*source_, source_->target(at));
  }

  // The elements of a vector, in place; empty when absent.
  template <typename T>
  Bytes raw(int id) const {
    const size_t at = position(id);
    if (at == 0) return {};
    const size_t vector = source_->target(at);
    const uint64_t length = source_->load<uint32_t>(vector);
    return source_->slice(vector + 4, length * sizeof(T), "a vector");
  }

  // A vector of `Stored` numbers, widened to T.
  template <typename T, typename Stored = T>
  std::vector<T> numbers(int id) const {
    const Bytes bytes = raw<Stored>(id);
    const size_t count = bytes.size() / sizeof(Stored);
    source_->spend(count * sizeof(T));
    std::vector<T> values(count);
    for (size_t i = 0; i < count; ++i) {
      Stored value;
      std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
      values[i] = static_cast<T>(value);
    }
    return values;
  }

  std::string text(int id) const {
    const Bytes bytes = raw<char>(id);
    return copy_text(bytes);
  }

  std::vector<std::string> texts(int id) const {
    const Bytes references = raw<uint32_t>(id);
    const size_t first = references.empty() ? 0 : source_->target(position(id)) + 4;
    std::vector<std::string> texts;
    for (size_t i = 0; i < references.size() / 4; ++i) {
      const size_t at = source_->target(first + 4 * i);
      texts.push_back(copy_text(source_->slice(at + 4, source_->load<uint32_t>(at), "a string")));
    }
    return texts;
  }

  Tables tables(int id) const;

  Source& source() const { return *source_; }

 private:
  // Where the field lies in the file, 0 when absent. Fields are checked against the file, not the table's stated
  // size, because other readers ignore that size and files with a wrong one are read everywhere.
  size_t position(int id) const {
    const size_t entry = 4 + 2 * static_cast<size_t>(id);
    if (entry + 2 > vtable_size_) return 0;
    const auto offset = source_->load<uint16_t>(vtable_ + entry);
    return offset == 0 ? 0 : at_ + offset;
  }

  std::string copy_text(Bytes bytes) const {
    source_->spend(sizeof(std::string) + bytes.size());
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  Source* source_;
  size_t at_;
  size_t vtable_;
  uint16_t vtable_size_;
};

// A vector of tables, each checked when it is asked for.
class Tables {
 public:
  Tables() = default;
  Tables(Source& source, size_t first, size_t count) : source_(&source), first_(first), count_(count) {}

  size_t size() const { return count_; }
  Table operator[](size_t i) const { return Table(*source_, source_->target(first_ + 4 * i)); }

 private:
  Source* source_ = nullptr;
  size_t first_ = 0;
  size_t count_ = 0;
};

inline Tables Table::tables(int id) const {
  const size_t count = raw<uint32_t>(id).size() / 4;
  if (count == 0) return {};
  return Tables(*source_, source_->target(position(id)) + 4, count);
}

}  // namespace subgraft::flatbuffer
