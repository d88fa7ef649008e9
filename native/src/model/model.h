// A .tflite file in memory: plain structs, one for each table of the schema, and the bytes they point into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/dtype.h"
#include "model/options.h"

namespace subgraft {

using Bytes = std::span<const std::byte>;

struct BlockwiseQuantization {
  int32_t scales = 0;       // tensor index in the same subgraph
  int32_t zero_points = 0;  // tensor index, -1: all zero
  int32_t block_size = 0;
};

struct MultiAxisQuantization {
  int32_t scales = 0;
  int32_t zero_points = 0;
  int32_t block_size = 0;
  std::vector<int32_t> quantized_dimensions;
};

struct CustomQuantization {
  std::vector<std::byte> custom;
};

struct UnknownDetails {
  uint8_t type = 0;
};

struct Quantization {
  std::vector<float> min, max, scale;
  std::vector<int64_t> zero_point;
  std::variant<std::monostate, CustomQuantization, BlockwiseQuantization, MultiAxisQuantization, UnknownDetails>
      details;
  int32_t quantized_dimension = 0;
};

struct SparseIndex {
  uint8_t type = 0;  // 0: none, 1: int32, 2: uint16, 3: uint8
  std::vector<int32_t> values;
};

struct DimensionMetadata {
  int8_t format = 0;  // 0: dense, 1: sparse CSR
  int32_t dense_size = 0;
  SparseIndex array_segments, array_indices;
};

struct Sparsity {
  std::vector<int32_t> traversal_order, block_map;
  std::vector<DimensionMetadata> dim_metadata;
};

struct VariantSubType {
  std::vector<int32_t> shape;
  DType type = DType::float32;
  bool has_rank = false;
};

struct TensorDef {
  std::string name;
  std::vector<int32_t> shape;
  std::vector<int32_t> shape_signature;  // empty: as shape; -1: unknown
  DType dtype = DType::float32;
  uint32_t buffer = 0;  // index into Model::buffers; checked by the reader
  bool is_variable = false;
  bool has_rank = false;
  std::shared_ptr<const Quantization> quantization;  // null: none in the file
  std::shared_ptr<const Sparsity> sparsity;
  std::vector<VariantSubType> variant_tensors;
  uint32_t external_buffer = 0;
};

struct OpCode {
  int32_t builtin = 0;  // BuiltinOperator; 32 (CUSTOM) with custom_code set
  std::string custom_code;
  int32_t version = 1;

  bool is_custom() const { return builtin == 32; }
  std::string name() const;  // "CONV_2D", the custom code, or "BUILTIN_999"
};

struct OpDef {
  uint32_t opcode = 0;                                  // index into Model::opcodes; checked by the reader
  std::vector<int32_t> inputs, outputs, intermediates;  // tensor indices, checked by the reader; -1: absent
  std::vector<uint8_t> mutating_variable_inputs;
  uint8_t options_type = 0;    // union type of builtin_options in the file, known to us or not
  uint8_t options_2_type = 0;  // the same for builtin_options_2
  Options options;             // of whichever of the two is present
  Bytes custom_options;        // flexbuffer, unless custom_options_format says otherwise
  int8_t custom_options_format = 0;
  int32_t debug_metadata_index = -1;
};

struct SubgraphDef {
  std::string name;
  std::vector<TensorDef> tensors;
  std::vector<OpDef> ops;                // in execution order
  std::vector<int32_t> inputs, outputs;  // tensor indices, checked by the reader
  int32_t debug_metadata_index = -1;
};

struct Metadata {
  std::string name;
  uint32_t buffer = 0;
};

struct TensorAlias {
  std::string name;
  uint32_t tensor = 0;
};

struct Signature {
  std::string key;
  std::vector<TensorAlias> inputs, outputs;
  uint32_t subgraph = 0;
};

struct ExternalBuffer {
  uint32_t id = 0, group = 0;
  uint64_t offset = 0, length = 0;
  std::string packing;
};

// Values that every interpreter of one model shares: folded constants, unpacked and packed weights.
class SharedWeights;

struct Model {
  Model();
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  uint32_t version = 3;
  std::string description;
  std::vector<OpCode> opcodes;
  std::vector<SubgraphDef> subgraphs;  // 0 is the main one
  std::vector<Bytes> buffers;          // buffer 0 is empty by convention
  std::vector<int32_t> metadata_buffer;
  std::vector<Metadata> metadata;
  std::vector<Signature> signatures;
  std::vector<std::string> external_buffer_groups;
  std::vector<ExternalBuffer> external_buffers;
  std::vector<std::string> warnings;  // what was wrong but harmless, for the log

  std::shared_ptr<const void> storage;  // what the spans point into: a mapping, or bytes the caller gave
  mutable std::unique_ptr<SharedWeights> shared;
};

// Decodes a whole file. The spans of the result point into `file`, which `storage` keeps alive.
// Throws ModelError naming the subgraph, op or tensor. Linear in the file's size, never recursive.
std::shared_ptr<Model> read_model(Bytes file, std::shared_ptr<const void> storage);

// Maps a file and decodes it; a file that is open already gives the same Model again. Throws ModelError, also when it
// cannot be opened or is not a regular file.
std::shared_ptr<Model> open_model(const std::string& path);

// The references of a flatbuffer are signed 32-bit.
inline constexpr size_t kLargestFlatbuffer = (size_t{1} << 31) - 1;

// The inverse: a file with every buffer aligned to 16 bytes. Buffers that would make the flatbuffer too large go behind
// it. Throws Unsupported for an options table or quantization that this build does not know.
std::vector<std::byte> write_model(const Model& model, size_t largest_flatbuffer = kLargestFlatbuffer);

}  // namespace subgraft
