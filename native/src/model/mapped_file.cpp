// Maps .tflite files into memory. Opening a file that is open already gives the same model, weights and all.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <tuple>

#include "core/errors.h"
#include "model/mapped_pages.h"
#include "model/model.h"

namespace subgraft {
namespace {

ModelError failure(const std::string& path, const char* action, int error) {
  return ModelError(concat("cannot ", action, " ", path, ": ", std::strerror(error)));
}

class OpenFile {
 public:
  // O_NONBLOCK: opening a FIFO nobody writes to would hang otherwise. It changes nothing for a regular file.
  explicit OpenFile(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (fd_ < 0) throw failure(path, "open", errno);
    if (::fstat(fd_, &status_) != 0) {
      const int error = errno;
      ::close(fd_);
      throw failure(path, "examine", error);
    }
  }
  ~OpenFile() { ::close(fd_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int fd() const { return fd_; }
  const struct stat& status() const { return status_; }

 private:
  int fd_;
  struct stat status_{};
};

// What is mapped: where each mapping begins, and its size.
struct Mapped {
  std::mutex mutex;
  std::map<uintptr_t, size_t> sizes;
};

Mapped& mapped() {
  static auto* all = new Mapped;  // never destroyed: models may outlive static destruction
  return *all;
}

class Mapping {
 public:
  Mapping(const OpenFile& file, const std::string& path) : size_(static_cast<size_t>(file.status().st_size)) {
    start_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd(), 0);
    if (start_ == MAP_FAILED) throw failure(path, "map", errno);
    const std::lock_guard lock(mapped().mutex);
    mapped().sizes[reinterpret_cast<uintptr_t>(start_)] = size_;
  }
  ~Mapping() {
    const std::lock_guard lock(mapped().mutex);
    mapped().sizes.erase(reinterpret_cast<uintptr_t>(start_));
    ::munmap(start_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  Bytes bytes() const { return {static_cast<const std::byte*>(start_), size_}; }

 private:
  void* start_;
  size_t size_;
};

// Device, inode, size and time of the last change: the same file with the same content.
using Identity = std::tuple<dev_t, ino_t, off_t, time_t, long>;

class OpenModels {
 public:
  std::shared_ptr<Model> find(const Identity& identity) {
    const std::lock_guard lock(mutex_);
    const auto found = models_.find(identity);
    return found == models_.end() ? nullptr : found->second.lock();
  }

  // The model that others share under this identity: `model`, unless another thread was faster.
  std::shared_ptr<Model> share(const Identity& identity, std::shared_ptr<Model> model) {
    const std::lock_guard lock(mutex_);
    std::erase_if(models_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<Model>& shared = models_[identity];
    if (std::shared_ptr<Model> earlier = shared.lock()) return earlier;
    shared = model;
    return model;
  }

 private:
  std::mutex mutex_;
  std::map<Identity, std::weak_ptr<Model>> models_;
};

OpenModels& open_models() {
  static auto* models = new OpenModels;  // never destroyed: models may outlive static destruction
  return *models;
}

}  // namespace

std::shared_ptr<Model> open_model(const std::string& path) {
  if (path.find('\0') != std::string::npos) throw ModelError("cannot open a file whose name contains a null character");
  const OpenFile file(path);
  const struct stat& status = file.status();
  if (S_ISDIR(status.st_mode)) throw ModelError("cannot open " + path + ": it is a directory");
  if (!S_ISREG(status.st_mode)) throw ModelError("cannot open " + path + ": it is not a regular file");
  if (status.st_size == 0) throw ModelError("cannot read " + path + ": the file is empty");
  const Identity identity{status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
  if (std::shared_ptr<Model> open = open_models().find(identity)) return open;
  auto mapping = std::make_shared<const Mapping>(file, path);
  const Bytes bytes = mapping->bytes();
  try {
    std::shared_ptr<Model> model = read_model(bytes, std::move(mapping));
    let_go_of_pages(bytes);  // what was decoded is in memory twice, and a large graph fills more pages than its weights
    return open_models().share(identity, std::move(model));
  } catch (const ModelError& error) {
    throw ModelError(concat("cannot read ", path, ": ", error.what()));
  }
}

void let_go_of_pages(std::span<const std::byte> bytes) {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t begin = (first + page - 1) / page * page, end = (first + bytes.size()) / page * page;
  if (begin >= end) return;
  const std::lock_guard lock(mapped().mutex);
  const auto after = mapped().sizes.upper_bound(begin);
  if (after == mapped().sizes.begin()) return;
  const auto [start, size] = *std::prev(after);
  if (end > start + size) return;
  // Nobody ever writes there, so the file has it all. A failure costs memory only.
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace subgraft
