// The program's side of Preparation: what a kernel may ask for, and what it answered.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/kernel.h"

namespace subgraft {

// Thrown by Preparation::value for an input that has no value before the program runs.
struct NotYetKnown {
  int input;
};

// One operand whose bytes are part of another's, from `offset` on.
struct Within {
  int output, input;
  int64_t offset;
};

struct Unpadded {
  Operand operand;
  Preparation::Border border;
};

struct Preparation::Host {
  // Asked.
  std::vector<const std::byte*> values;                       // per input: its bytes now, null when not known yet
  std::vector<std::shared_ptr<const SparseConstant>> sparse;  // per input that the kernel may take so
  std::function<const std::byte*(int input)> spell_out;
  int threads = 1;
  std::vector<Operand> intermediates;
  std::function<Operand(int32_t tensor)> constant;
  std::function<std::string(int64_t subgraph)> body;
  std::function<std::shared_ptr<const void>(int input, std::string_view kind,
                                            const std::function<std::shared_ptr<const void>()>& make)>
      shared;
  // The tensor inside of the PAD that made an input, and what is around it; null where no PAD did.
  std::function<std::optional<Unpadded>(int input)> absorb_border;
  // What follower() and take_over_follower() give; null where nothing can be taken over.
  std::function<std::optional<Preparation::Follower>()> follower;
  std::function<int()> take_over_follower;
  Resources* resources = nullptr;
  bool is_running = false;  // the program is

  // Answered.
  bool has_effects = false;
  // Whether the answers are the same wherever shapes and the values below are.
  bool is_repeatable = true;
  // Per input, copies of values that the kernel asked for while running, where they are no constants: its closure may
  // look at them again when the tensor has gone.
  std::vector<std::vector<std::byte>> asked;
  std::vector<std::optional<Shape>> shapes;                             // per output
  std::vector<std::vector<std::byte>> published;                        // per output, where is_published
  std::vector<bool> is_published;                                       // per output
  std::vector<std::shared_ptr<const SparseConstant>> published_sparse;  // per output
  std::vector<bool> keeps_sparse;                                       // per input
  std::vector<int64_t> scratch;                                         // bytes
  std::vector<std::pair<int, int>> shares;                              // output, input
  std::vector<Within> views, parts;
  std::vector<int> released;  // inputs
};

// Values that decide shapes are few numbers; an op that asks for more bytes of one input is prepared anew in every run.
inline constexpr int64_t kMostAsked = 1024;

// Bytes of so many elements. Throws Unsupported for types of no fixed size and for more than the memory limit.
int64_t storage_bytes(DType type, int64_t elements);

}  // namespace subgraft
