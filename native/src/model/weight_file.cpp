#include "model/weight_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/errors.h"

namespace subgraft {
namespace {

constexpr char kMagic[16] = "subgraft packed";
constexpr uint64_t kFormat = 1;
constexpr uint64_t kAlignment = 64;
constexpr uint64_t kMostParts = 1 << 20, kMostText = 1 << 12;

// As they lie in the file; all numbers are those of the machine, which the key names.
struct Header {
  char magic[sizeof kMagic];
  uint64_t format, file_size, parts, table_size;
  WeightFile::Key key;
  Checksum table;
};
struct Entry {  // followed by `text` characters, and zeros up to a multiple of eight
  uint64_t constant, at, size, text;
  Checksum sum;
};
static_assert(sizeof(Header) == 96 && sizeof(Entry) == 48);

uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

int write_all(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return 0;
}

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

struct WeightFile::Found {
  explicit Found(std::span<const std::byte> bytes) : bytes(bytes) {}
  ~Found() { ::munmap(const_cast<std::byte*>(bytes.data()), bytes.size()); }
  Found(const Found&) = delete;
  Found& operator=(const Found&) = delete;
  std::span<const std::byte> bytes;
};

WeightFile::WeightFile(const std::string& path, const Key& key) : key_(key) {
  map(path);
  if (is_damaged_) parts_.clear();
}

void WeightFile::map(const std::string& path) {
  struct File {
    int fd;
    ~File() {
      if (fd >= 0) ::close(fd);
    }
  } file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)};
  if (file.fd < 0) {
    if (errno != ENOENT) refuse(concat("it cannot be opened: ", std::strerror(errno)), false);
    return;
  }
  struct stat status{};
  if (::fstat(file.fd, &status) != 0 || !S_ISREG(status.st_mode)) return refuse("it is no regular file", false);
  if (status.st_uid != ::geteuid() && status.st_uid != 0) return refuse("it belongs to another user", false);
  if (status.st_mode & (S_IWGRP | S_IWOTH)) return refuse("others may write to it", false);
  const auto size = static_cast<size_t>(status.st_size);
  if (size < sizeof(Header)) return refuse("it ends too early", true);
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (start == MAP_FAILED) return refuse(concat("it cannot be mapped: ", std::strerror(errno)), false);
  mapped_ = std::make_shared<const Found>(std::span(static_cast<const std::byte*>(start), size));
  read_parts();
}

WeightFile::~WeightFile() = default;

void WeightFile::refuse(std::string why, bool damaged) {
  if (problem_.empty()) problem_ = std::move(why);
  is_damaged_ = is_damaged_ || damaged;
}

// Everything but the parts themselves.
void WeightFile::read_parts() {
  const std::span<const std::byte> all = mapped_->bytes;
  Header header;
  std::memcpy(&header, all.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return refuse("it does not begin as it should", true);
  if (header.format != kFormat || header.key != key_) return refuse("it was made for something else", true);
  if (header.file_size != all.size()) return refuse("it ends too early", true);
  if (header.table_size > all.size() - sizeof(Header) || header.parts > kMostParts)
    return refuse("its table of contents is wrong", true);
  std::span<const std::byte> table = all.subspan(sizeof(Header), header.table_size);
  if (checksum(table) != header.table) return refuse("its table of contents is damaged", true);
  for (uint64_t i = 0; i < header.parts; ++i) {
    Entry entry;
    if (table.size() < sizeof entry) return refuse("its table of contents is wrong", true);
    std::memcpy(&entry, table.data(), sizeof entry);
    table = table.subspan(sizeof entry);
    const bool fits = entry.text <= kMostText && round_up(entry.text, 8) <= table.size() && entry.at <= all.size() &&
                      entry.size <= all.size() - entry.at && entry.at % kAlignment == 0;
    if (!fits) return refuse("its table of contents is wrong", true);
    std::string what(reinterpret_cast<const char*>(table.data()), entry.text);
    table = table.subspan(round_up(entry.text, 8));
    parts_[{entry.constant, std::move(what)}] = {all.subspan(entry.at, entry.size), entry.sum};
  }
}

bool WeightFile::is_whole(Part& part) {
  if (part.is_checked) return true;
#if defined(MADV_POPULATE_READ)
  // All pages in one call; where the system cannot, they come one by one.
  constexpr uintptr_t kPage = 4096;
  const auto first = reinterpret_cast<uintptr_t>(part.bytes.data()) / kPage * kPage;
  const auto last = reinterpret_cast<uintptr_t>(part.bytes.data() + part.bytes.size());
  (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_READ);
#endif
  part.is_checked = checksum(part.bytes) == part.sum;
  if (!part.is_checked) refuse("a part of it is damaged", true);
  return part.is_checked;
}

std::shared_ptr<const std::byte> WeightFile::find(uint64_t constant, std::string_view what, uint64_t size) {
  const std::lock_guard lock(mutex_);
  const auto found = parts_.find({constant, std::string(what)});
  if (found == parts_.end()) return nullptr;
  if (found->second.bytes.size() != size || !is_whole(found->second)) {
    parts_.erase(found);
    return nullptr;
  }
  ++found_;
  return {mapped_, found->second.bytes.data()};
}

void WeightFile::add(uint64_t constant, std::string_view what, uint64_t size,
                     const std::shared_ptr<const std::byte>& made) {
  if (what.size() > kMostText) return;
  const std::lock_guard lock(mutex_);
  made_[{constant, std::string(what)}] = {made, size};
}

bool WeightFile::has_new() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(made_.begin(), made_.end(),
                     [](const auto& made) { return made.second.is_new && !made.second.bytes.expired(); });
}

int WeightFile::write(int file) {
  struct Content {
    const Name* name;
    std::span<const std::byte> bytes;
    std::shared_ptr<const std::byte> holder;
  };
  std::vector<Content> contents;
  const std::lock_guard lock(mutex_);
  for (auto& [name, part] : parts_)
    if (!made_.contains(name) && is_whole(part)) contents.push_back({&name, part.bytes, nullptr});
  for (const auto& [name, made] : made_)
    if (auto bytes = made.bytes.lock()) contents.push_back({&name, {bytes.get(), made.size}, bytes});
  std::vector<std::byte> table;
  const auto append = [&table](std::span<const std::byte> bytes) {
    table.insert(table.end(), bytes.begin(), bytes.end());
  };
  uint64_t table_size = 0;
  for (const Content& content : contents) table_size += sizeof(Entry) + round_up(content.name->what.size(), 8);
  const uint64_t first = round_up(sizeof(Header) + table_size, kAlignment);
  uint64_t at = first;
  for (const Content& content : contents) {
    const std::string& what = content.name->what;
    append(bytes_of(Entry{content.name->constant, at, content.bytes.size(), what.size(), checksum(content.bytes)}));
    append(std::as_bytes(std::span(what)));
    table.resize(round_up(table.size(), 8));
    at = round_up(at + content.bytes.size(), kAlignment);
  }
  Header header{{}, kFormat, at, contents.size(), table_size, key_, checksum(table)};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  table.resize(first - sizeof(Header));
  if (const int error = write_all(file, bytes_of(header))) return error;
  if (const int error = write_all(file, table)) return error;
  constexpr std::byte kZeros[kAlignment] = {};
  for (const Content& content : contents) {
    if (const int error = write_all(file, content.bytes)) return error;
    const uint64_t rest = round_up(content.bytes.size(), kAlignment) - content.bytes.size();
    if (const int error = write_all(file, std::span(kZeros).first(rest))) return error;
  }
  for (auto& [name, made] : made_) made.is_new = false;  // they stay: the next file holds them too
  return 0;
}

std::string WeightFile::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

bool WeightFile::is_damaged() const {
  const std::lock_guard lock(mutex_);
  return is_damaged_;
}

int64_t WeightFile::found() const {
  const std::lock_guard lock(mutex_);
  return found_;
}

}  // namespace subgraft
