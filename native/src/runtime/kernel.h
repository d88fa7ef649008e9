// What a kernel author needs: how an op is prepared, how it runs, and how its family registers.
//
// A kernel is one function. It looks at the op once, refuses what it cannot run, sets the outputs' shapes, and
// returns the closure that computes. The closure runs on every invoke: it allocates nothing and knows no graph.
//
//   Compute prepare_relu(Preparation& p) {
//     p.expect(1, 1);
//     p.set_output(0, p.input(0).shape);
//     p.share(0, 0);
//     const int64_t count = p.input(0).shape.elements();
//     if (p.input(0).dtype != DType::float32) p.unsupported("RELU of ", dtype_name(p.input(0).dtype));
//     return [count](const Invocation& v) { relu(v.in<float>(0), v.out<float>(0), count); };
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/errors.h"
#include "core/shape.h"
#include "model/model.h"
#include "model/sparse_constant.h"
#include "runtime/threads.h"

namespace subgraft {

class Resources;

// One input or output of an op while it is prepared.
struct Operand {
  std::string_view name;
  DType dtype = DType::float32;
  Shape shape;                                 // of an output: what the file says, not yet what the kernel says
  const Quantization* quantization = nullptr;  // null: none in the file
  const std::byte* constant = nullptr;         // the bytes, where they are the same on every run; null otherwise
  int64_t constant_bytes = 0;
  bool is_variable = false;

  bool is_constant() const { return constant != nullptr; }
  bool is_quantized() const { return quantization && !quantization->scale.empty(); }
  bool is_per_channel() const { return quantization && quantization->scale.size() > 1; }
  // Per-tensor parameters; throw ModelError when the tensor has none or the scale is not a positive finite number.
  float scale() const;
  int32_t zero_point() const;  // 0 where the file lists none; also checked to fit the dtype
};

// The memory of one op during one run.
class Invocation {
 public:
  Invocation(std::byte* const* inputs, std::byte* const* outputs, std::byte* const* scratch, ThreadPool& threads)
      : inputs_(inputs), outputs_(outputs), scratch_(scratch), threads_(threads) {}

  template <typename T>
  const T* in(int i) const {
    return reinterpret_cast<const T*>(inputs_[i]);
  }
  // A variable tensor: an input that the op also writes.
  template <typename T>
  T* state(int i) const {
    return reinterpret_cast<T*>(inputs_[i]);
  }
  template <typename T>
  T* out(int i) const {
    return reinterpret_cast<T*>(outputs_[i]);
  }
  template <typename T>
  T* scratch(int slot) const {
    return reinterpret_cast<T*>(scratch_[slot]);
  }
  // Calls work(begin, end) on pieces of [0, count) of at least `grain`, on all threads; returns when all are done.
  // work must not throw.
  template <typename Work>
  void parallel(int64_t count, int64_t grain, Work&& work) const {
    threads_.parallel(count, grain, work);
  }
  int threads() const { return threads_.size(); }  // as Preparation::threads(), or 1 in a run that is not divided

 private:
  std::byte* const* inputs_;
  std::byte* const* outputs_;
  std::byte* const* scratch_;
  ThreadPool& threads_;
};

using Compute = std::function<void(const Invocation&)>;

// One op and its surroundings while a program is made. Messages get the op's index and name in front.
class Preparation {
 public:
  struct Host;  // how the program answers; kernels do not see it

  Preparation(const OpDef& op, const OpCode& code, std::vector<Operand> inputs, std::vector<Operand> outputs,
              Host& host);

  const Options& options() const { return op_.options; }
  Bytes custom_options() const { return op_.custom_options; }
  int version() const { return code_.version; }
  const std::string& name() const { return name_; }  // "CONV_2D"

  int inputs() const { return static_cast<int>(inputs_.size()); }
  int outputs() const { return static_cast<int>(outputs_.size()); }
  bool has_input(int i) const;               // false: absent (-1) or beyond the list
  const Operand& input(int i) const;         // throws ModelError when absent
  const Operand& output(int i) const;        // throws ModelError when beyond the list
  const Operand* intermediate(int i) const;  // internal tensors of LSTMs; null when absent
  // A constant of the same subgraph that is no input, such as the scales of blockwise quantization; throws ModelError
  // when the tensor is no constant.
  Operand constant(int32_t tensor) const;
  // What the op's body, a subgraph of two parameters, makes of them: the name of its only op, which takes both in any
  // order, or "" when there is none and it returns the second. Throws ModelError for a subgraph that is not there and
  // Unsupported for any other body.
  std::string body(int64_t subgraph) const;

  // Throws ModelError unless the op has this many inputs (or min to max) and outputs.
  void expect(int inputs, int outputs) const { expect(inputs, inputs, outputs); }
  void expect(int min_inputs, int max_inputs, int outputs) const;

  // Every output needs a shape before the kernel returns; elements x size is checked against the memory limit.
  void set_output(int i, const Shape& shape);

  // The elements of an input that decides shapes or parameters (axes, a new shape, paddings). Known while preparing
  // for constants; otherwise the op is put off and prepared again on each run, when its inputs have their values.
  // Throws ModelError when the dtype is another one.
  template <typename T>
  std::span<const T> value(int i) const {
    return {static_cast<const T*>(value_bytes(i, DTypeOf<T>::value)), static_cast<size_t>(input(i).shape.elements())};
  }
  // The same for int32 or int64 inputs, as int64.
  std::vector<int64_t> integers(int i) const;

  // The sparse constant at an input that the op's registration calls so; null where it is dense. Operand::constant is
  // null then: dense memory is made when spell_out() is called, or after the kernel returns, for the closure; never,
  // where the kernel calls keep_sparse().
  std::shared_ptr<const SparseConstant> sparse(int i) const;
  void spell_out(int i);
  void keep_sparse(int i);

  // An output whose value is known already (SHAPE): consumers see it as a constant, the closure is not run.
  void publish(int output, const void* bytes, int64_t size);
  void publish(int output, std::shared_ptr<const SparseConstant> constant);

  // The closure is to run in every invoke, constant inputs or not: it reads or changes what no tensor shows.
  void has_effects();
  // What such ops share; it outlives the closure.
  Resources& resources() const;
  // The value of a handle while the program runs; before, the op is put off as by value().
  int32_t handle_now(int i) const;

  // How many pieces parallel() makes of its work, at most: several for each thread, 1 where there is one thread.
  int threads() const;

  // Memory for the closure, 64-byte aligned, valid during one run of this op. Returns its slot number.
  int scratch(int64_t bytes);

  // The output may take the input's memory when nobody else reads it later. The closure must then be right when both
  // pointers are equal (as well as when they are not). The output must not be larger than the input.
  void share(int output, int input);

  // The output's bytes are the input's from `offset` on. It may lie right there: once every output of the op does, the
  // closure is not run.
  void view(int output, int input, int64_t offset = 0);

  // The other way round: the input's bytes are the output's from `offset` on. It may be made right there, and the
  // closure, where it runs, must see that (the pointers say so) and leave these bytes alone.
  void part(int input, int output, int64_t offset);

  // Rows and columns of zeros (the zero point) around the images, [batch, height, width, depth], of an input. Where a
  // PAD before this op puts them there, the op takes that over: from this call on input(i) is what the PAD takes, and
  // the kernel must count what is outside of the image as zeros. All 0 where there is no such PAD.
  struct Border {
    int64_t top = 0, bottom = 0, left = 0, right = 0;
  };
  Border absorb_border(int input);

  // The op that alone reads output 0, where it has one output of the same type and at most one other input, whose value
  // does not come from after this op. It is looked at until the kernel takes it over.
  struct Follower {
    std::string name;  // "ADD"
    const Options* options;
    int position;                  // output 0 is this input of it
    std::optional<Operand> other;  // its other input
  };
  std::optional<Follower> follower() const;
  // The closure computes what the follower would, which does not run: output 0 is the follower's from here on. Gives
  // the number of the closure's input that is the follower's other one, or -1.
  int take_over_follower();

  // The closure does not read this constant input: all that it needs is in shared(). Its memory may go.
  void release(int input);

  // A value derived from constants only (packed or unpacked weights), made once for all interpreters of one model.
  // `kind` tells different derivations from one tensor apart. Only for inputs that are constant.
  template <typename T, typename Make>
  std::shared_ptr<const T> shared(int input, std::string_view kind, Make&& make) {
    auto made =
        shared_value(input, kind, [&]() -> std::shared_ptr<const void> { return std::make_shared<const T>(make()); });
    return std::static_pointer_cast<const T>(made);
  }

  template <typename... Parts>
  [[noreturn]] void unsupported(const Parts&... parts) const {
    throw Unsupported(concat(parts...));
  }
  template <typename... Parts>
  [[noreturn]] void invalid(const Parts&... parts) const {
    throw ModelError(concat(parts...));
  }
  template <typename... Parts>
  void require(bool holds, const Parts&... parts) const {
    if (!holds) invalid(parts...);
  }

 private:
  const void* value_bytes(int i, DType expected) const;
  std::shared_ptr<const void> shared_value(int input, std::string_view kind,
                                           const std::function<std::shared_ptr<const void>()>& make);

  const OpDef& op_;
  const OpCode& code_;
  std::string name_;
  std::vector<Operand> inputs_, outputs_;
  Host& host_;
};

using Prepare = Compute (*)(Preparation&);

struct Kernel {
  Prepare prepare = nullptr;
  int sparse_input = -1;  // the one that it asks sparse() for

  explicit operator bool() const { return prepare; }
};

// Kernels by op name: the builtin's schema name, or a custom op's own.
class Registry {
 public:
  void add(std::string_view op, Prepare prepare, int sparse_input = -1);
  Kernel find(std::string_view op) const;
  std::vector<std::string> names() const;  // sorted
  static const Registry& builtin();        // all families of kernels/families.h

 private:
  struct Entry {
    std::string op;
    Kernel kernel;
  };
  std::vector<Entry> entries_;  // sorted by op
};

}  // namespace subgraft
