// A small random model in memory, with the values that it is fed.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/shape.h"
#include "fenced.h"
#include "model/model.h"
#include "random.h"

namespace subgraft::compare {

using Dims = std::vector<int32_t>;
using Contents = std::vector<std::byte>;
inline int64_t elements_of(const Dims& dims) { return Shape(std::span<const int32_t>(dims)).elements(); }
using OptionList = std::vector<std::pair<const char*, double>>;

// Empty scales: none.
struct Scales {
  std::vector<float> scale = {};
  std::vector<int64_t> zero = {};
  int32_t axis = 0;

  static Scales of(double scale, int64_t zero = 0) { return {{static_cast<float>(scale)}, {zero}}; }
};

// What a model is fed, run after run.
inline constexpr int kRuns = 2;

class DrawnModel {
 public:
  explicit DrawnModel(Random& random);

  Random& random() { return random_; }

  // Tensors; each returns its index. Values are random: whole ranges, extremes, one value, few values.
  int fed(DType type, const Dims& dims, const Scales& scales = {});
  int constant(DType type, const Dims& dims, const Scales& scales = {});
  // With these values; for axes, sizes, paddings.
  int integers(const std::vector<int32_t>& values) { return integers({static_cast<int32_t>(values.size())}, values); }
  int integers(const Dims& dims, const std::vector<int32_t>& values);
  // Of integers in [low, high].
  int fed_between(DType type, const Dims& dims, int64_t low, int64_t high);
  // Constant weights as converters store them in half precision: behind a DEQUANTIZE.
  int half_constant(const Dims& dims);
  int variable(DType type, const Dims& dims, const Scales& scales = {});
  // An output of an op, of this shape where it is to say one; result() makes it one of the model as well.
  int made(DType type, const Scales& scales = {}, const Dims& dims = {});
  int result(DType type, const Scales& scales = {});
  void give(int tensor);                           // makes it an output of the model
  int internal(DType type, const Scales& scales);  // an intermediate of an LSTM
  void set_blocks(int tensor, int32_t size, const Dims& scales);
  // A matrix of which the file lists some elements only, in blocks of so many neighbours of a row.
  int sparse(DType type, int32_t rows, const Dims& row, const Scales& scales, int32_t block, double share);

  // A graph that ops of control flow run: what is added between these calls goes into it. end_body() gives its number.
  void begin_body();
  int end_body();
  int taken(DType type, const Dims& dims, const Scales& scales = {});  // an input of such a graph

  OpDef& add(std::string_view op, std::vector<int32_t> inputs, std::vector<int32_t> outputs,
             const OptionList& options = {});
  OpDef& add_custom(std::string_view op, std::vector<int32_t> inputs, std::vector<int32_t> outputs, Contents options);

  // How far floats may be from the reference, relative to the larger of their greatest magnitude and `magnitude`.
  void allow(double tolerance, double magnitude = 0);
  double tolerance() const { return tolerance_; }
  double magnitude() const { return magnitude_; }
  // Floats drawn from now on may be infinite, NaN, huge or subnormal.
  void allow_special_floats(bool allowed) { special_floats_ = allowed; }
  // Floats drawn from now on are this many times what they would be.
  void scale_floats(double factor) { float_factor_ = factor; }
  // Unquantized integers drawn from now on are at most so large.
  void limit_integers(int64_t limit) { integer_limit_ = limit; }

  std::shared_ptr<const Model> finish();
  // Of an input of the model in run 0 .. kRuns - 1.
  const Contents& values(int tensor, int run) const { return values_.at(tensor)[static_cast<size_t>(run)]; }
  std::string text() const;  // ops, tensors, options

 private:
  int add_tensor(DType type, const Dims& dims, const Scales& scales);
  uint32_t add_buffer(const Contents& contents);
  Contents draw(DType type, int64_t count, bool is_quantized);
  template <typename T>
  Contents draw_integers(int64_t count, int64_t low, int64_t high);
  Contents draw_floats(DType type, int64_t count);
  std::string text_of(const SubgraphDef& graph) const;

  Random& random_;
  std::shared_ptr<Model> model_ = std::make_shared<Model>();
  SubgraphDef graph_;
  std::vector<SubgraphDef> outer_;                          // the graphs around that of a body
  std::deque<std::pair<std::string, OptionList>> options_;  // as they were asked for, by opcode
  std::shared_ptr<std::deque<Fenced>> homes_ = std::make_shared<std::deque<Fenced>>();
  std::deque<Contents> custom_options_;
  std::map<int, std::vector<Contents>> values_;
  double tolerance_ = 1e-5, magnitude_ = 0, float_factor_ = 1;
  bool special_floats_ = false;
  int64_t integer_limit_ = 100;
};

}  // namespace subgraft::compare
