// Control flow: ops that run other graphs of the model, as programs of their own, without leaving native code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/shape.h"
#include "runtime/kernel.h"

namespace subgraft {

class Program;

// The programs of the bodies that one program runs, directly or through others. Ops that run one graph with inputs of
// the same shapes share its program, and with it the state that it keeps.
struct Bodies {
  std::map<std::pair<int, std::vector<std::vector<int32_t>>>, std::weak_ptr<Program>> made;  // by graph, input shapes
  std::vector<int> within;  // the graphs whose programs are being made, the outermost first
};

// What a loop may take.
struct LoopLimits {
  std::optional<int64_t> most_steps;
  std::function<void()> poll;  // called a few times a second; what it throws ends the loop
};

bool is_control(std::string_view op);

// A graph that an op runs. Its program is external: inputs and outputs lie where they are bound.
class Body {
 public:
  // Throws Unsupported where the outputs' shapes are not known before a run, and for state that is passed in.
  explicit Body(std::shared_ptr<Program> program);

  int graph() const;
  size_t inputs() const;
  size_t outputs() const { return outputs_.size(); }
  DType input_type(size_t i) const;
  DType output_type(size_t i) const;
  Shape output_shape(size_t i) const { return outputs_[i].shape; }
  int64_t output_bytes(size_t i) const { return outputs_[i].bytes; }
  // The input that comes out as output i; -1 where there is none.
  int passed(size_t i) const { return outputs_[i].input; }
  // Whether the output may be made in the input's memory.
  bool may_overwrite(size_t output, size_t input) const;

  void bind_input(size_t i, std::byte* data);
  void bind_output(size_t i, std::byte* data);
  void run();
  // False for an output that is an input or the same as another output: after run(), copy_output() gets it.
  bool is_made(size_t i) const { return outputs_[i].input < 0 && outputs_[i].same_as < 0; }
  void copy_output(size_t i, std::byte* data) const;

  const std::shared_ptr<Program>& program() const { return program_; }

 private:
  struct Output {
    int tensor;
    int input;    // it is this input; -1
    int same_as;  // it is this other output; -1
    Shape shape;
    int64_t bytes;
  };
  std::shared_ptr<Program> program_;
  std::vector<Output> outputs_;
  std::vector<std::byte*> bound_inputs_, bound_outputs_;
};

// IF, WHILE, CALL, CALL_ONCE, STABLEHLO_CASE or STABLEHLO_COMPOSITE.
class Control {
 public:
  using Operands = std::vector<std::pair<DType, Shape>>;

  // `taken` and `given`: the op's inputs and outputs; of these only the types count. Throws Unsupported for bodies that
  // do not suit them: the session runs these graph by graph, where shapes may change, and says what is wrong.
  Control(std::string_view op, std::vector<Body> bodies, const Operands& taken, const Operands& given,
          Resources& resources, const LoopLimits& limits);

  Shape output_shape(size_t i) const { return shapes_[i]; }
  // Pairs (output, input) of a loop's variables that no step changes, and of the others: the output may take the
  // input's memory.
  const std::vector<std::pair<int, int>>& unchanged() const { return unchanged_; }
  const std::vector<std::pair<int, int>>& changed() const { return changed_; }
  // Bytes of memory that it needs in each run, beside its inputs and outputs.
  const std::vector<int64_t>& scratch() const { return scratch_; }
  const std::vector<Body>& bodies() const { return bodies_; }

  void run(const Invocation& v);

 private:
  enum class Kind : uint8_t { choice, branches, call, once, loop };
  // How a variable gets from one step of a loop to the next.
  enum class Way : uint8_t { unchanged, in_place, copied };
  struct Variable {
    Way way;
    int64_t bytes;
    int slot;  // of scratch memory for the next value; -1
  };

  void plan_loop(const Operands& taken);
  void call(Body& body, const Invocation& v, int first);
  void loop(const Invocation& v);
  void begin_loop(const Invocation& v);
  void step_loop(const Invocation& v);
  bool condition(const Invocation& v);

  Kind kind_;
  std::vector<Body> bodies_;
  Resources& resources_;
  LoopLimits limits_;
  std::vector<Shape> shapes_;
  std::vector<Variable> variables_;
  std::vector<std::pair<int, int>> unchanged_, changed_;
  std::vector<int64_t> scratch_;
  int condition_slot_ = -1;
};

}  // namespace subgraft
