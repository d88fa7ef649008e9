// Structural damage to a decoded model: still a file that decodes, but one that nobody would write.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "model/model.h"

namespace subgraft {

class ModelDamage {
 public:
  explicit ModelDamage(uint64_t seed) : random_(seed) {}

  // Changes the model in one to four places. `donor` gives operators and options tables of another file. What the
  // changed model points into lives as long as this object.
  void apply(Model& model, const Model& donor);

  size_t below(size_t limit) { return static_cast<size_t>(random_() % limit); }
  int64_t extreme_integer();
  double extreme_real();
  // An element of a tensor: small numbers mostly, extremes now and then.
  void fill(DType type, std::byte* data, size_t bytes);

 private:
  void wound(Model& model, const Model& donor);
  void wound_shape(TensorDef& tensor);
  void wound_type(TensorDef& tensor);
  void wound_quantization(TensorDef& tensor);
  void wound_sparsity(TensorDef& tensor);
  void wound_constant(Model& model, TensorDef& tensor);
  void wound_buffer(Model& model, TensorDef& tensor);
  void graft(SubgraphDef& graph);
  void empty_but_long(SubgraphDef& graph, const OpDef& op);
  void wound_wires(SubgraphDef& graph, OpDef& op);
  void wound_option(OpDef& op);
  void wound_custom_options(OpDef& op);
  void swap_operator(Model& model, OpDef& op, const Model& donor);
  SparseIndex sparse_index();
  template <typename T>
  T& any(std::vector<T>& list) {
    return list[below(list.size())];
  }
  Bytes keep(std::vector<std::byte> bytes);

  std::mt19937_64 random_;
  std::vector<std::vector<std::byte>> kept_;
};

}  // namespace subgraft
