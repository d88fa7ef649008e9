// Which programs share a plan: those of one model that answer the same request in the same process settings.
#include <unistd.h>

#include <cstring>

#include "core/instruction_set.h"
#include "runtime/program.h"
#include "runtime/shared_weights.h"

namespace subgraft {
namespace {

void append(std::string& key, int64_t number) { key.append(reinterpret_cast<const char*>(&number), sizeof(number)); }

void append(std::string& key, const std::vector<int>& numbers) {
  append(key, static_cast<int64_t>(numbers.size()));
  for (const int number : numbers) append(key, number);
}

bool are_all_of(const std::vector<int>& ops, size_t count) {
  if (ops.size() != count) return false;
  for (size_t i = 0; i < count; ++i)
    if (ops[i] != static_cast<int>(i)) return false;
  return true;
}

// Kernels look at these while they are prepared.
void append_settings(std::string& key) {
  static constexpr std::string_view kOurs = "SUBGRAFT_";
  append(key, static_cast<int64_t>(best_instruction_set()));
  for (char** setting = environ; setting && *setting; ++setting)
    if (std::strncmp(*setting, kOurs.data(), kOurs.size()) == 0) key.append(*setting).push_back('\0');
}

std::string key_of(const ProgramRequest& request) {
  std::string key;
  append(key, request.subgraph);
  append(key, request.external);
  append(key, request.keep_all);
  append(key, request.pool->size());
  const bool all = are_all_of(request.ops, request.model->subgraphs[static_cast<size_t>(request.subgraph)].ops.size());
  append(key, all ? std::vector<int>() : request.ops);
  append(key, all);
  append(key, request.inputs);
  append(key, request.outputs);
  for (const auto& [tensor, shape] : request.shapes) {
    append(key, tensor);
    append(key, std::vector<int>(shape.dims().begin(), shape.dims().end()));
  }
  append_settings(key);
  return key;
}

}  // namespace

std::shared_ptr<Program::Plan> Program::plan_for(const ProgramRequest& request) {
  if (!request.is_body) {
    const std::shared_ptr<const void> found = request.model->shared->plan(key_of(request));
    if (found) return std::const_pointer_cast<Plan>(std::static_pointer_cast<const Plan>(found));
  }
  return std::make_shared<Plan>();
}

void Program::make_plan() {
  values_.resize(graph_.tensors.size());
  admit_inputs();
  prepare_ops();
  lay_out();
  for (const Value& value : values_) plan_->is_shareable = plan_->is_shareable && !value.sparse;
  if (!plan_->is_shareable) share_closures();
  number_pointers();
  tidy_up();
  plan_->taken_bytes = taken_bytes_;
  plan_->is_made = true;
  if (plan_->is_shareable && !request_.is_body) request_.model->shared->offer_plan(key_of(request_), plan_);
}

// The same request gives the same steps: their closures, where they are pure, are those of a program that lives.
void Program::share_closures() {
  const std::string key = key_of(request_) + "closures";
  const std::shared_ptr<const void> found = request_.model->shared->plan(key);
  plan_->closures = std::static_pointer_cast<const std::vector<Compute>>(found);
  if (!found || plan_->closures->size() != steps_.size()) {
    auto made = std::make_shared<std::vector<Compute>>(steps_.size());
    for (size_t s = 0; s < steps_.size(); ++s)
      if (steps_[s].is_pure && !steps_[s].in_place) (*made)[s] = std::move(steps_[s].compute);
    plan_->closures = made;
    request_.model->shared->offer_plan(key, made);
  }
  for (Step& step : steps_)
    if (step.is_pure) step.compute = nullptr;
}

}  // namespace subgraft
