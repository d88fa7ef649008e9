// A segment of a model as one native program: kernels in order, over memory planned once.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/model.h"
#include "runtime/arena.h"
#include "runtime/control.h"
#include "runtime/division.h"
#include "runtime/kernel.h"
#include "runtime/preparation.h"
#include "runtime/resources.h"

namespace subgraft {

struct ProgramRequest {
  std::shared_ptr<const Model> model;
  int subgraph = 0;
  std::vector<int> ops;              // in execution order
  std::vector<int> inputs, outputs;  // tensor indices
  std::map<int, Shape> shapes;       // of inputs where not the file's; of outputs sized while running
  std::shared_ptr<ThreadPool> pool;
  std::shared_ptr<Resources> resources;  // null: this program has its own
  // Inputs and outputs lie in the caller's memory: bind() each before run().
  bool external = false;
  // Every tensor keeps memory of its own, so that all can be read after a run.
  bool keep_all = false;
  LoopLimits limits;
  std::shared_ptr<Bodies> bodies;  // of the program that runs this one; null for the outermost
  bool is_body = false;            // another program runs this one
};

class Program {
 public:
  // Prepares every op, folds what depends on constants only, and plans the memory.
  // Throws ModelError or Unsupported, naming the op.
  explicit Program(ProgramRequest request);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  const Model& model() const { return *request_.model; }
  const SubgraphDef& subgraph() const { return graph_; }
  const std::vector<int>& inputs() const { return request_.inputs; }
  const std::vector<int>& outputs() const { return request_.outputs; }

  // Computes once; one thread at a time. Throws RunError or ModelError naming the op, ArgumentError when an external
  // tensor is unbound.
  void run();

  int graph_index() const { return request_.subgraph; }
  // Whether an output may be bound to the memory of an input: nothing there is read after it is written.
  bool may_overwrite(int output, int input) const;
  // Whether somebody else than `user` claimed the program last.
  bool claim(const void* user);

  // Puts an input or output of an external program at `data`, which holds as many bytes as the tensor has.
  void bind(int tensor, std::byte* data);

  // Where a tensor is now: its shape (before a run, of a tensor sized while running: the file's) and memory, null when
  // it has none of its own; of a sparse constant it is made now. Throws ArgumentError for an index outside the
  // subgraph.
  Shape shape(int tensor) const;
  std::byte* data(int tensor);
  // What keeps that memory alive where it may be replaced before the program is destroyed; null elsewhere.
  std::shared_ptr<const void> holder(int tensor) const;
  int64_t bytes(int tensor) const;
  bool is_constant(int tensor) const;
  bool is_variable(int tensor) const;
  // False for a tensor whose memory other tensors take over during the run, and for one no op here touches.
  bool is_readable(int tensor) const;
  bool is_dynamic(int tensor) const;

  // Variable tensors back to zero (their zero point, when quantized).
  void reset_variables();

  // Seconds per op, summed since profiling was switched on; empty when off.
  void profile(bool on);
  const std::vector<double>& seconds() const { return seconds_; }
  int64_t profiled_runs() const { return profiled_runs_; }
  const std::vector<int>& steps() const { return step_ops_; }  // the op of each step, in order; folded ops have none

  struct Placement {
    int tensor;
    int64_t offset, size;  // bytes in the arena
    int first, last;       // steps
  };
  const std::vector<Placement>& placements() const { return plan_->placements; }
  int64_t arena_bytes() const { return arena_.size(); }
  int64_t live_bytes() const {
    return plan_->live_bytes;
  }  // of all tensors and scratch that live at once: a lower bound
  int64_t scratch_bytes() const { return plan_->scratch_bytes; }
  int64_t folded_bytes() const { return plan_->folded_bytes; }

 private:
  enum class Home : uint8_t { none, constant, arena, external, variable, dynamic };
  struct Value {
    Home home = Home::none;
    bool known = false;               // has a shape
    bool kept = false;                // its memory is its own from its first write to the end of the run
    bool is_shared_constant = false;  // the bytes depend on the model alone
    bool is_folded = false;           // a constant that an op computed
    int storage = -1;                 // index into storages_ (homes arena and external)
    int maker = -1;                   // the step that writes it
    int64_t offset = 0;  // bytes from the storage's begin; once the arena is planned, from the arena's for those in it
    Shape shape;
    std::byte* data = nullptr;                     // homes constant and dynamic; data_of() knows the others'
    std::shared_ptr<const void> holder;            // of constants made here and of memory sized while running
    std::shared_ptr<const SparseConstant> sparse;  // of a constant that has no data until it is spelled out
  };
  // One piece of memory and the tensors that lie in it, in place of each other or side by side.
  struct Storage {
    ArenaBlock block;
    bool is_external = false;  // the caller's
    bool is_kept = false;      // a tensor in it must outlive the run
    bool holds_input = false;  // of the program
    std::vector<int> tensors;
  };
  // An op whose shapes depend on values, as it was prepared while running.
  struct Prepared {
    std::vector<Shape> shapes;  // of its inputs
    Preparation::Host host;
    Compute compute;
  };
  // How an op, while it is prepared, becomes another one.
  struct Changes {
    std::map<size_t, int> inputs;  // tensors that take the place of these inputs
    std::vector<int> more_inputs;  // behind the others
    int output = -1;               // the tensor that takes the first one's place
    std::vector<int> taken_over;   // ops
  };
  // What only the making of a program needs to know of a step.
  struct Wishes {
    std::vector<int64_t> scratch;
    std::vector<std::pair<int, int>> shares;
    std::vector<Within> views, parts;
    bool has_effects = false;
    bool is_replaced = false;  // may go, of unknown shapes or not, where nobody reads it
    bool sees_views = false;   // its closure looks whether an output is a view
  };
  struct Step {
    int op;
    bool dynamic = false;
    bool in_place = false;  // its outputs are where its inputs are: nothing is to be done
    bool is_pure = false;   // its closure neither changes nor points to what belongs to one program
    const OpDef* def;       // the file's, or what took its place
    Compute compute;
    std::vector<Prepared> prepared;    // of a dynamic one; the latest first
    std::shared_ptr<Control> control;  // where it runs other graphs
    uint32_t pointers = 0;             // first of this step's pointers: inputs, outputs, scratch
    uint32_t scratch = 0;              // how many blocks
    Wishes* wishes = nullptr;          // in the plan, until it is made
  };
  // What a run touches of a step, close together: a graph may have thousands.
  struct Call {
    const Compute* compute;  // null: a dynamic step
    uint32_t pointers, inputs, outputs, step;
  };

  // What does not change from run to run, and is the same for every program of the same request: made once, and shared
  // by the interpreters of a model that live at the same time.
  struct Plan {
    bool is_made = false;
    // Whether neither the closures nor anything below change or hold what belongs to one program.
    bool is_shareable = true;
    std::vector<Value> values;  // per tensor of the subgraph
    std::vector<int> readers;   // per tensor: how many inputs of ops and of the caller it still is
    std::vector<Step> steps;
    std::vector<int> step_ops;
    std::vector<Wishes> wishes;  // in one piece that goes back to the system; kept of bodies
    std::vector<Call> calls;
    std::shared_ptr<const std::vector<Compute>> closures;  // of pure steps, where the plan itself is not shareable
    std::deque<OpDef> changed;                             // ops that are not as in the file
    std::vector<Storage> storages;
    std::vector<ArenaBlock> scratch_blocks;
    std::vector<std::vector<size_t>> pointers_to;  // per tensor: indices into a program's pointers
    size_t pointers = 0;                           // of all steps
    std::vector<int> constant_outputs;             // that no step writes
    std::vector<Placement> placements;
    int64_t arena_bytes = 0, live_bytes = 0, scratch_bytes = 0, folded_bytes = 0;
    int64_t taken_bytes = 0;
  };

  // The plan of a program that lives and answers the same request, or a new one.
  static std::shared_ptr<Plan> plan_for(const ProgramRequest& request);
  void make_plan();
  void share_closures();
  void admit_inputs();
  void prepare_ops();
  void count_readers();
  void prepare_op(int op, Kernel kernel);
  void check_outputs(const OpDef& op) const;
  void prepare_control(int op, std::string_view kind);
  std::shared_ptr<Program> program_of_body(int64_t graph, std::vector<Shape> inputs);
  // A sparse constant goes to the kernel as it is where that asks for it, and gets dense memory elsewhere.
  void offer_sparse(size_t input, int tensor, const Kernel& kernel, Preparation::Host& host);
  const OpDef* maker_of(int tensor, std::string_view kind, size_t inputs) const;
  bool is_filled_with(int tensor, int32_t expected) const;
  int number_before(int vector, int32_t rest) const;
  // The op that the group ending with this one stands for, for set_row(); null where there is none.
  const OpDef* as_set_row(const OpDef& op);
  static Prepare set_row();
  std::optional<Unpadded> unpadded(int tensor, int& inside);
  // The op that alone reads what an op makes, changed so; -1 where it is none that Preparation::Follower describes.
  int follower_of(const OpDef& op, const Changes& changes);
  Preparation::Follower described(int follower, int tensor) const;
  void offer_followers(const OpDef& op, Changes& changes, Preparation::Host& host);
  const OpDef& changed(const OpDef& op, const Changes& changes);
  void let_go(const OpDef& op, const Preparation::Host& host);
  // Dense memory for sparse constants that the prepared kernel reads.
  void spell_out_unless_kept(const OpDef& op, const Preparation::Host& host);
  // Whether the op has no element to compute, however long the dimensions beside the zero are, and no state to change.
  bool is_idle(const OpDef& op, const Preparation::Host& host) const;
  void fold(const OpDef& op, const Compute& compute, const Preparation::Host& host);
  Shape shape_in_file(int tensor) const;
  void define_constant(int tensor);
  void define_sparse(int tensor, Bytes buffer);
  void spell_out(int tensor);
  void number_strings(int tensor, Bytes buffer);
  // Counts memory of this program; throws Unsupported when all of it is over the memory limit.
  void take(int64_t bytes);
  Operand operand(int tensor, bool as_input) const;
  Preparation::Host host_of(const OpDef& op);
  void lay_out();
  void admit_outputs();
  void drop_unused();
  std::vector<int> last_uses() const;
  void make_storages(const std::vector<int>& last_use);
  int add_storage(int tensor, int first, int last);
  bool may_view(const Step& step, const Within& view) const;
  void place_views(Step& step, int number, const std::vector<int>& last_use);
  void place_parts(Step& step);
  void share_storages(const std::vector<int>& last_use);
  // The tensors of one storage move into another, from `offset` on.
  void merge(int from, int into, int64_t offset);
  void number_pointers();
  // This program's own memory.
  void connect();
  // Lets go of what only the making of a program needs: a graph may have thousands of ops.
  void tidy_up();
  void place(int tensor, std::byte* data);
  std::byte* data_of(int tensor) const;
  void run_calls();
  void run_call(const Call& call);
  void run_dynamic(Step& step);
  bool is_for_now(const OpDef& op, const Prepared& prepared) const;
  Prepared prepare_now(const OpDef& op);
  Prepared& prepared_now(Step& step);
  void size_output(int tensor, const Shape& shape);
  void place_scratch(const std::vector<int64_t>& sizes);
  // Runs an op whose outputs lie in `results` and whose scratch memory is not planned.
  void compute_into(const OpDef& op, const Compute& compute, const Preparation::Host& host,
                    std::span<std::byte* const> results) const;
  void publish_outputs();
  std::string op_name(int op) const;
  const Value& value(int tensor) const;

  ProgramRequest request_;
  const SubgraphDef& graph_;
  const std::shared_ptr<Plan> plan_;
  // The plan's. Once it is made they change only where it is not shareable.
  std::vector<Value>& values_;
  std::vector<int>& readers_;
  std::vector<Step>& steps_;
  std::vector<int>& step_ops_;
  std::vector<Call>& calls_;
  std::deque<OpDef>& changed_;
  std::vector<Storage>& storages_;
  std::vector<ArenaBlock>& scratch_blocks_;
  std::vector<std::vector<size_t>>& pointers_to_;
  // The program's own.
  std::vector<int> last_reader_;     // per tensor while ops are prepared: the last op that reads it, -1 where none does
  std::vector<bool> is_taken_over_;  // per op, while they are prepared: another one does its work
  Arena arena_;
  Arena loose_scratch_;  // of one dynamic step at a time
  std::vector<std::byte*> loose_scratch_pointers_;
  std::vector<std::unique_ptr<Arena>> variables_;
  std::map<int, std::byte*> own_data_;          // of tensors of homes external and variable
  std::vector<std::byte*> pointers_;            // of all steps
  std::map<int, std::byte*> constant_outputs_;  // and where the caller wants them
  int64_t taken_bytes_ = 0;
  Division division_;
  ThreadPool* now_ = nullptr;  // of this run
  bool profiling_ = false;
  std::vector<double> seconds_;
  int64_t profiled_runs_ = 0;
  const void* user_ = nullptr;
};

}  // namespace subgraft
