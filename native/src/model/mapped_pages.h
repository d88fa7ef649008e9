// What a model's memory has to do with the file that it was mapped from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "model/model.h"
#include "model/weight_file.h"

namespace subgraft {

// Which file, and in which state: a file that says the same has the same content. Times are in nanoseconds.
struct FileIdentity {
  uint64_t device, inode;
  int64_t size, modified, changed;
};

// Of the file that a model was opened from, as it was then; nothing for a model in memory.
std::optional<FileIdentity> file_of(const Model& model);

// The whole of that file; empty for a model in memory.
Bytes file_bytes(const Model& model);

// Packed weights of the model come from this file, and go there, from now on; null: no more. Nothing happens to a model
// that is in memory.
void keep_weights(const Model& model, std::shared_ptr<WeightFile> file);
std::shared_ptr<WeightFile> weight_file(const Model& model);

// Where the packed form of a constant is kept, and where the constant lies in its model; null where it is not kept.
struct KeptPlace {
  std::shared_ptr<WeightFile> file;
  uint64_t constant = 0;
};
KeptPlace kept_place(const std::byte* constant);

// The process lets go of the pages within these bytes, where they are a mapped model's: whoever reads them again gets
// them from the system's cache of the file. Other memory is left alone.
void let_go_of_pages(std::span<const std::byte> bytes);

}  // namespace subgraft
