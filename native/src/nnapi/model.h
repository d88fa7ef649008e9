// A model of the Neural Networks API as it grows operand by operand.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nnapi/library.h"

namespace subgraft::nnapi {

class Model {
 public:
  // Throws Error, as all that follows.
  explicit Model(std::shared_ptr<Library> library);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const std::shared_ptr<Library>& library() const { return library_; }
  abi::Model* get() const { return model_; }

  // Operands are numbered in the order in which they are added. No dimensions: a scalar, or a tensor whose rank is not
  // known.
  std::uint32_t add_operand(std::int32_t type, std::span<const std::uint32_t> dimensions, float scale,
                            std::int32_t zero_point);
  // Weights with a scale for each index of dimension `dim`.
  void set_channel_scales(std::uint32_t operand, std::uint32_t dim, std::span<const float> scales);
  // `holder` keeps the bytes in place for as long as this lives: the library copies short values only.
  void set_value(std::uint32_t operand, const void* data, std::size_t bytes, std::shared_ptr<const void> holder);
  // For an operand that stands for a model, finished, which is kept.
  void set_model(std::uint32_t operand, std::shared_ptr<const Model> model);
  // For an operand that may be left out.
  void set_absent(std::uint32_t operand);
  void add_operation(std::int32_t code, std::span<const std::uint32_t> inputs, std::span<const std::uint32_t> outputs);
  void identify(std::span<const std::uint32_t> inputs, std::span<const std::uint32_t> outputs);
  // Whether float32 may be computed in float16.
  void relax(bool allow);
  void finish();

  // Which operations the devices take together, in the order in which they were added.
  std::vector<bool> supported(std::span<abi::Device* const> devices) const;

 private:
  std::shared_ptr<Library> library_;
  abi::Model* model_ = nullptr;
  std::uint32_t operands_ = 0;
  std::size_t operations_ = 0;
  std::vector<std::shared_ptr<const void>> holders_;
};

}  // namespace subgraft::nnapi
