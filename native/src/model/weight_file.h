// A file of one model's packed weights, which processes share by mapping it.
//
// It is written whole under another name and then takes its place, so nobody sees half of it; it never changes
// afterwards. What is read from it is checked against its checksum first. It trusts its owner and nobody else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/checksum.h"

namespace subgraft {

class WeightFile {
 public:
  using Key = std::array<std::byte, 32>;
  struct Found;  // what is mapped

  // Opens the file, there or not. key: of all that packed weights depend on; a file with another one is not read.
  WeightFile(const std::string& path, const Key& key);
  ~WeightFile();
  WeightFile(const WeightFile&) = delete;
  WeightFile& operator=(const WeightFile&) = delete;

  // `size` bytes that were made from the constant at this place of the model, and `what` says how; null where the file
  // has none. What is damaged is not given.
  std::shared_ptr<const std::byte> find(uint64_t constant, std::string_view what, uint64_t size);
  // Such bytes that were just made.
  void add(uint64_t constant, std::string_view what, uint64_t size, const std::shared_ptr<const std::byte>& made);

  // Whether write() would write more than it wrote last, or than was there.
  bool has_new() const;
  // Everything known and still alive, of this file and new. Returns 0, or what errno says of the failure.
  int write(int file);
  // Why the file that was there is not read, or a part of it; empty: nothing was wrong. damaged: it should go.
  std::string problem() const;
  bool is_damaged() const;
  int64_t found() const;  // how many finds there were

 private:
  struct Name {
    uint64_t constant;
    std::string what;
    auto operator<=>(const Name&) const = default;
  };
  struct Part {
    std::span<const std::byte> bytes;  // of the file
    Checksum sum;
    bool is_checked = false;
  };
  struct Made {
    std::weak_ptr<const std::byte> bytes;
    uint64_t size;
    bool is_new = true;  // not written yet
  };

  void map(const std::string& path);
  void read_parts();
  bool is_whole(Part& part);
  void refuse(std::string why, bool damaged);

  const Key key_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Found> mapped_;  // null: nothing
  std::map<Name, Part> parts_;
  std::map<Name, Made> made_;
  std::string problem_;
  bool is_damaged_ = false;
  int64_t found_ = 0;
};

}  // namespace subgraft
