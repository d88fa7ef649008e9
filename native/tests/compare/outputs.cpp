#include "outputs.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <optional>

#include "core/errors.h"
#include "core/half.h"
#include "core/instruction_set.h"
#include "fenced.h"
#include "runtime/program.h"

namespace subgraft::compare {
namespace {

ProgramRequest request_of(const std::shared_ptr<const Model>& model, const std::shared_ptr<ThreadPool>& pool,
                          Memory memory) {
  ProgramRequest request;
  request.model = model;
  const SubgraphDef& graph = model->subgraphs[0];
  request.ops.resize(graph.ops.size());
  std::iota(request.ops.begin(), request.ops.end(), 0);
  request.inputs = graph.inputs;
  request.outputs = graph.outputs;
  request.pool = pool;
  request.external = memory == Memory::fenced;
  request.keep_all = memory == Memory::keep;
  return request;
}

// A program and, where it wants that, its inputs and outputs in fenced memory.
class Bench {
 public:
  Bench(ProgramRequest request, const DrawnModel& drawn) : program_(request), drawn_(drawn) {
    if (!request.external) return;
    for (const auto* tensors : {&program_.inputs(), &program_.outputs()})
      for (const int t : *tensors) {
        if (program_.is_dynamic(t) || program_.is_variable(t) || bound_.count(t)) continue;
        Fenced& home = bound_.try_emplace(t, static_cast<size_t>(program_.bytes(t))).first->second;
        program_.bind(t, home.data());
      }
  }

  void run(int run, std::vector<Output>& outputs) {
    for (auto& [tensor, home] : bound_) home.clear();
    for (const int t : program_.inputs()) {
      const Contents& values = drawn_.values(t, run);
      if (!values.empty()) std::memcpy(home(t), values.data(), values.size());
    }
    program_.run();
    for (const auto& [tensor, home] : bound_)
      if (!home.is_intact()) throw std::logic_error(concat("wrote before tensor ", tensor));
    for (const int t : program_.outputs()) {
      const std::byte* const data = home(t);
      outputs.push_back({program_.subgraph().tensors[t].dtype, program_.shape(t), {data, data + program_.bytes(t)}});
    }
  }

 private:
  std::byte* home(int tensor) {
    const auto found = bound_.find(tensor);
    return found == bound_.end() ? program_.data(tensor) : found->second.data();
  }

  Program program_;
  const DrawnModel& drawn_;
  std::map<int, Fenced> bound_;
};

bool is_float(DType type) { return type == DType::float32 || type == DType::float16 || type == DType::bfloat16; }

std::vector<float> floats_of(const Output& output) {
  std::vector<float> floats(static_cast<size_t>(output.shape.elements()));
  for (size_t i = 0; i < floats.size(); ++i) {
    uint16_t bits;
    if (output.type == DType::float32) {
      std::memcpy(&floats[i], output.bytes.data() + 4 * i, 4);
    } else {
      std::memcpy(&bits, output.bytes.data() + 2 * i, 2);
      floats[i] = output.type == DType::float16 ? to_float(Half{bits}) : to_float(BFloat16{bits});
    }
  }
  return floats;
}

std::optional<std::string> float_difference(const Output& expected, const Output& got, const DrawnModel& drawn) {
  const std::vector<float> a = floats_of(expected), b = floats_of(got);
  double largest = drawn.magnitude();
  for (const float x : a)
    if (std::isfinite(x)) largest = std::max(largest, std::abs(static_cast<double>(x)));
  const double allowed = largest * drawn.tolerance();
  size_t count = 0, worst = 0;
  double distance = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double d = std::abs(static_cast<double>(a[i]) - b[i]);
    if (d <= allowed) continue;
    ++count;
    if (d <= distance) continue;
    distance = d;  // never of NaN
    worst = i;
  }
  if (count == 0) return {};
  return concat(count, " of ", a.size(), " floats differ by more than ", allowed, ": element ", worst, " is ", b[worst],
                " instead of ", a[worst]);
}

int64_t element(const Output& output, size_t i, size_t size) {
  int64_t value = 0;
  std::memcpy(&value, output.bytes.data() + i * size, size);
  const int unused = 64 - 8 * static_cast<int>(size);
  const bool is_signed = output.type != DType::uint8 && output.type != DType::boolean;
  const auto shifted = static_cast<int64_t>(static_cast<uint64_t>(value) << unused);
  return is_signed ? shifted >> unused : value;
}

std::optional<std::string> byte_difference(const Output& expected, const Output& got) {
  if (expected.bytes == got.bytes) return {};
  const auto size = static_cast<size_t>(dtype_bits(expected.type) / 8);
  if (size == 0) return "packed integers differ";
  size_t count = 0, first = 0;
  for (size_t i = 0; i < expected.bytes.size() / size; ++i) {
    if (std::memcmp(expected.bytes.data() + i * size, got.bytes.data() + i * size, size) == 0) continue;
    if (count++ == 0) first = i;
  }
  std::string text = concat(count, " of ", expected.bytes.size() / size, " elements differ: element ", first);
  if (is_float(expected.type))
    return concat(text, " is ", floats_of(got)[first], " instead of ", floats_of(expected)[first]);
  return concat(text, " is ", element(got, first, size), " instead of ", element(expected, first, size));
}

}  // namespace

Outputs compute(const std::shared_ptr<const Model>& model, const DrawnModel& drawn, std::string_view set,
                const std::shared_ptr<ThreadPool>& pool, Memory memory) {
  limit_instruction_set(set);
  Outputs outputs;
  const auto refuse = [&](const std::exception& error) { outputs.refusal = error.what(); };
  try {
    const ProgramRequest request = request_of(model, pool, memory);
    std::optional<Bench> other;  // what programs of a model share must not be what they compute in
    if (memory == Memory::own) other.emplace(request, drawn);
    Bench bench(request, drawn);
    std::vector<Output> ignored;
    for (int run = 0; run < kRuns; ++run) {
      if (other) other->run(run, ignored);
      bench.run(run, outputs.tensors);
    }
  } catch (const ModelError& error) {
    refuse(error);
  } catch (const Unsupported& error) {
    refuse(error);
  } catch (const RunError& error) {
    refuse(error);
  }
  return outputs;
}

std::optional<std::string> difference(const Outputs& expected, const Outputs& got, const DrawnModel& drawn,
                                      bool exactly) {
  if (expected.refusal != got.refusal) return concat("says '", got.refusal, "' instead of '", expected.refusal, "'");
  if (expected.is_refused()) return {};
  for (size_t i = 0; i < expected.tensors.size(); ++i) {
    const Output &a = expected.tensors[i], &b = got.tensors[i];
    if (!(a.shape == b.shape))
      return concat("output ", i, " has shape ", b.shape.text(), " instead of ", a.shape.text());
    const auto found = is_float(a.type) && !exactly ? float_difference(a, b, drawn) : byte_difference(a, b);
    if (found) return concat("output ", i, " [", a.shape.text(), "]: ", *found);
  }
  return {};
}

}  // namespace subgraft::compare
