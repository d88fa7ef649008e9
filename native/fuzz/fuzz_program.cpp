// Damages the structure of models and runs them: every one must compute or end in a typed error, in bounded time, and
// give the same bytes at one and two threads, in its own memory and in the caller's.
//
//   python fuzz/write_seeds.py SEEDS   (in native/, with subgraft installed)
//   g++ -std=c++20 -O1 -g -fsanitize=address,undefined,float-cast-overflow -ffp-contract=off -Isrc
//   fuzz/fuzz_program.cpp
//     fuzz/damage_model.cpp src/model/*.cpp src/core/*.cpp src/runtime/*.cpp src/kernels/*.cpp -o fuzz_program
//   ./fuzz_program ROUNDS SEED FIRST FILE...   (rounds FIRST .. FIRST + ROUNDS - 1; a single one says what it ran)
//
// What it and reading beside it have found so far; all but the last are tested in tests/test_hostile_ops.py:
//   a sparse constant read as a dense one, past its end
//   an empty tensor that is known only while running, taken for one without a value: an untyped exception
//   a dimension of zero beside huge ones: overflow of their product, loops of 2^30 rounds over nothing
//   constants, variables and tensors sized while running that are within the memory limit only one by one
//   quadratic time in the outputs of one op, in the tensors alive at once and in the number of bodies
//   control flow without its options, inputs or condition, or with a body of other shapes: an untyped exception
//   pooling through the dimensions of a variable without elements
//   the range of zero points of 64-bit types: a shift by 64
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "core/errors.h"
#include "damage_model.h"
#include "runtime/program.h"

namespace {

using namespace subgraft;
using File = std::vector<std::byte>;

constexpr int kLongestSeconds = 5;    // of processor time per round, with sanitizers on
constexpr int kLongestWait = 60;      // of wall time: a deadlock
constexpr size_t kRehomed = 1 << 16;  // buffers up to this size get exact memory of their own
constexpr char kMemoryLimit[] = "67108864";

// What the children tell their parent.
struct Tally {
  long round, computed, refused, unequal, untyped;
};

File load(const char* path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

// Memory that ends at a page nobody may touch, so that an overrun is seen without a sanitizer, too.
class Fenced {
 public:
  explicit Fenced(size_t size) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = (size + page - 1) / page * page;
    mapped_ = body + page;
    block_ = static_cast<std::byte*>(
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (block_ == MAP_FAILED) std::abort();
    mprotect(block_ + body, page, PROT_NONE);
    data_ = block_ + body - size;
  }
  ~Fenced() { munmap(block_, mapped_); }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;

  std::byte* data() const { return data_; }

 private:
  std::byte *block_, *data_;
  size_t mapped_;
};

void describe(const Model& model, const ProgramRequest& request) {
  const SubgraphDef& graph = model.subgraphs[request.subgraph];
  for (const int o : request.ops) {
    const OpDef& op = graph.ops[o];
    std::fprintf(stderr, "op %d %s\n", o, model.opcodes[op.opcode].name().c_str());
    for (const auto* wires : {&op.inputs, &op.outputs})
      for (const int t : *wires) {
        if (t < 0) continue;
        const TensorDef& tensor = graph.tensors[t];
        std::string text = concat(wires == &op.inputs ? "  in " : "  out ", t, " ", dtype_name(tensor.dtype), " [");
        for (const int32_t dim : tensor.shape) text += std::to_string(dim) + " ";
        text += concat("] buffer ", model.buffers[tensor.buffer].size(), tensor.is_variable ? " variable" : "");
        if (const auto& q = tensor.quantization)
          text += concat(" scales ", q->scale.size(), q->scale.empty() ? "" : concat(" first ", q->scale[0]), " zeros ",
                         q->zero_point.size(), q->zero_point.empty() ? "" : concat(" first ", q->zero_point[0]),
                         " axis ", q->quantized_dimension, " details ", q->details.index());
        if (tensor.sparsity) text += " sparse";
        const Bytes buffer = model.buffers[tensor.buffer];
        if (tensor.dtype == DType::int32)
          for (size_t i = 0; i + 4 <= std::min<size_t>(buffer.size(), 32); i += 4) {
            int32_t value;
            std::memcpy(&value, buffer.data() + i, 4);
            text += concat(i ? " " : " = ", value);
          }
        std::fprintf(stderr, "%s\n", text.c_str());
      }
    if (!op.options.table()) continue;
    for (size_t i = 0; i < op.options.values().size(); ++i)
      if (const auto* number = std::get_if<int64_t>(&op.options.values()[i]))
        std::fprintf(stderr, "  %s %lld\n", op.options.table()->fields[i].name, static_cast<long long>(*number));
  }
}

class Round {
 public:
  Round(uint64_t seed, const std::vector<File>& seeds, bool talks)
      : damage_(seed), inputs_seed_(seed ^ 0x9e3779b9), seeds_(seeds), talks_(talks) {}

  void run(Tally& tally) {
    try {
      make();
      compute_all(tally);
      ++tally.computed;
    } catch (const ModelError& error) {
      refuse(tally, error);
    } catch (const Unsupported& error) {
      refuse(tally, error);
    } catch (const RunError& error) {
      refuse(tally, error);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "round %ld: UNTYPED %s\n", tally.round, error.what());
      ++tally.untyped;
    } catch (const NotYetKnown&) {
      std::fprintf(stderr, "round %ld: UNTYPED NotYetKnown\n", tally.round);
      ++tally.untyped;
    }
  }

 private:
  using Outputs = std::vector<File>;

  void refuse(Tally& tally, const std::exception& error) {
    ++tally.refused;
    if (talks_) std::fprintf(stderr, "refused: %s\n", error.what());
  }

  // Damages one model and has it written and read, so that what runs can come from a file.
  void make() {
    const auto original = read_model(seeds_[damage_.below(seeds_.size())], nullptr);
    const auto donor = read_model(seeds_[damage_.below(seeds_.size())], nullptr);
    damage_.apply(*original, *donor);
    file_ = write_model(*original);
    model_ = read_model(file_, nullptr);
    for (Bytes& buffer : model_->buffers) {
      if (buffer.empty() || buffer.size() > kRehomed) continue;
      Fenced& home = homes_.emplace_back(buffer.size());
      std::memcpy(home.data(), buffer.data(), buffer.size());
      buffer = {home.data(), buffer.size()};
    }
    choose();
  }

  // The whole of a subgraph, or one op of it.
  void choose() {
    request_.model = model_;
    request_.subgraph = static_cast<int>(damage_.below(model_->subgraphs.size()));
    const SubgraphDef& graph = model_->subgraphs[request_.subgraph];
    if (damage_.below(2) == 0 || graph.ops.empty()) {
      for (size_t i = 0; i < graph.ops.size(); ++i) request_.ops.push_back(static_cast<int>(i));
      request_.inputs = graph.inputs;
      request_.outputs = graph.outputs;
    } else {
      const int o = static_cast<int>(damage_.below(graph.ops.size()));
      request_.ops = {o};
      for (const int t : graph.ops[o].inputs)
        if (t >= 0 && model_->buffers[graph.tensors[t].buffer].empty() && !graph.tensors[t].is_variable)
          request_.inputs.push_back(t);
      for (const int t : graph.ops[o].outputs)
        if (t >= 0) request_.outputs.push_back(t);
    }
    if (damage_.below(8) == 0 && !request_.inputs.empty()) {
      Shape shape;
      const int t = request_.inputs[damage_.below(request_.inputs.size())];
      for (size_t i = damage_.below(5); i > 0; --i)
        shape = Shape(std::vector<int32_t>(i, static_cast<int32_t>(damage_.below(4))));
      request_.shapes[t] = shape;
    }
    if (talks_) describe(*model_, request_);
  }

  void compute_all(Tally& tally) {
    const Outputs first = compute(1, false, false), second = compute(2, true, false), third = compute(2, false, true);
    if (first == second && first == third) return;
    std::fprintf(stderr, "round %ld: UNEQUAL %s %s\n", tally.round, first == second ? "" : "keep_all",
                 first == third ? "" : "external");
    ++tally.unequal;
  }

  Outputs compute(int threads, bool keep_all, bool external) {
    ProgramRequest request = request_;
    request.pool = std::make_shared<ThreadPool>(threads);
    request.keep_all = keep_all;
    request.external = external;
    Program program(request);
    std::map<int, Fenced> bound;
    const auto bind = [&](int t) {
      if (program.is_dynamic(t) || program.is_variable(t) || bound.count(t)) return;
      const auto size = static_cast<size_t>(program.bytes(t));
      std::byte* data = bound.try_emplace(t, size).first->second.data();
      std::memset(data, 0xa5, size);
      program.bind(t, data);
    };
    if (external) {
      for (const int t : program.inputs()) bind(t);
      for (const int t : program.outputs()) bind(t);
    }
    Outputs outputs;
    for (int run = 0; run < 2; ++run) {
      ModelDamage values(inputs_seed_ + static_cast<uint64_t>(run));
      for (const int t : program.inputs())
        if (!program.is_variable(t))
          values.fill(program.subgraph().tensors[t].dtype, program.data(t), static_cast<size_t>(program.bytes(t)));
      program.run();
      for (const int t : program.outputs()) {
        const auto found = bound.find(t);
        const std::byte* data = found != bound.end() ? found->second.data() : program.data(t);
        outputs.emplace_back(data, data + program.bytes(t));
      }
    }
    return outputs;
  }

  ModelDamage damage_;
  uint64_t inputs_seed_;
  const std::vector<File>& seeds_;
  bool talks_;
  File file_;
  std::deque<Fenced> homes_;
  std::shared_ptr<Model> model_;
  ProgramRequest request_;
};

// Rounds from tally.round to the end, in a child: ends with 0, or as the round that it died of ends.
void work(long end, uint64_t seed, const std::vector<File>& seeds, bool talks, Tally& tally) {
  for (; tally.round < end; ++tally.round) {
    const itimerval limit{{0, 0}, {kLongestSeconds, 0}};
    setitimer(ITIMER_PROF, &limit, nullptr);
    alarm(kLongestWait);
    Round(seed * 1000003 + static_cast<uint64_t>(tally.round) * 2654435761u, seeds, talks).run(tally);
  }
  _exit(0);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 5) {
    std::fprintf(stderr, "usage: fuzz_program ROUNDS SEED FIRST FILE...\n");
    return 2;
  }
  setenv("SUBGRAFT_MAX_BYTES", kMemoryLimit, 0);
  const long rounds = std::atol(arguments[1]), first = std::atol(arguments[3]);
  const uint64_t seed = std::strtoull(arguments[2], nullptr, 10);
  std::vector<File> seeds;
  for (int i = 4; i < count; ++i) seeds.push_back(load(arguments[i]));
  auto& tally =
      *static_cast<Tally*>(mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  long died = 0;
  for (tally.round = first; tally.round < first + rounds; ++tally.round) {
    const pid_t child = fork();
    if (child == 0) work(first + rounds, seed, seeds, rounds == 1, tally);
    int status = 0;
    waitpid(child, &status, 0);
    if (status == 0) break;
    const bool slow = WIFSIGNALED(status) && (WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM);
    std::fprintf(stderr, "round %ld: %s %d\n", tally.round, slow ? "SLOW" : "DIED", status);
    ++died;
  }
  std::printf("%ld rounds: %ld computed, %ld refused, %ld unequal, %ld untyped, %ld died\n", rounds, tally.computed,
              tally.refused, tally.unequal, tally.untyped, died);
  return tally.unequal + tally.untyped + died > 0;
}
