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

// What is mapped: by where each mapping begins.
struct MappedFile {
  const void* storage;  // of its model
  FileIdentity identity;
  std::shared_ptr<WeightFile> weights;
};
struct Mapped {
  std::mutex mutex;
  std::map<uintptr_t, MappedFile> files;

  // Null where the address lies in none.
  std::pair<const uintptr_t, MappedFile>* around(uintptr_t address) {
    const auto after = files.upper_bound(address);
    if (after == files.begin()) return nullptr;
    const auto found = std::prev(after);
    return address - found->first < static_cast<uintptr_t>(found->second.identity.size) ? &*found : nullptr;
  }
  MappedFile* of(const Model& model) {
    for (auto& [start, file] : files)
      if (file.storage == model.storage.get()) return &file;
    return nullptr;
  }
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
    const struct stat& s = file.status();
    const auto nanoseconds = [](const timespec& t) { return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec; };
    const FileIdentity identity{s.st_dev, s.st_ino, s.st_size, nanoseconds(s.st_mtim), nanoseconds(s.st_ctim)};
    const std::lock_guard lock(mapped().mutex);
    mapped().files[reinterpret_cast<uintptr_t>(start_)] = {this, identity, nullptr};
  }
  ~Mapping() {
    const std::lock_guard lock(mapped().mutex);
    mapped().files.erase(reinterpret_cast<uintptr_t>(start_));
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
  const auto* file = mapped().around(begin);
  if (!file || end > file->first + static_cast<uintptr_t>(file->second.identity.size)) return;
  // Nobody ever writes there, so the file has it all. A failure costs memory only.
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

std::optional<FileIdentity> file_of(const Model& model) {
  const std::lock_guard lock(mapped().mutex);
  const MappedFile* file = mapped().of(model);
  return file ? std::optional(file->identity) : std::nullopt;
}

Bytes file_bytes(const Model& model) {
  const std::lock_guard lock(mapped().mutex);
  for (const auto& [start, file] : mapped().files)
    if (file.storage == model.storage.get())
      return {reinterpret_cast<const std::byte*>(start), static_cast<size_t>(file.identity.size)};
  return {};
}

void keep_weights(const Model& model, std::shared_ptr<WeightFile> weights) {
  const std::lock_guard lock(mapped().mutex);
  if (MappedFile* file = mapped().of(model)) file->weights.swap(weights);
}

std::shared_ptr<WeightFile> weight_file(const Model& model) {
  const std::lock_guard lock(mapped().mutex);
  const MappedFile* file = mapped().of(model);
  return file ? file->weights : nullptr;
}

KeptPlace kept_place(const std::byte* constant) {
  const auto address = reinterpret_cast<uintptr_t>(constant);
  const std::lock_guard lock(mapped().mutex);
  const auto* file = mapped().around(address);
  return file ? KeptPlace{file->second.weights, address - file->first} : KeptPlace{};
}

}  // namespace subgraft
