// Compiles and runs a model on an NNAPI library again and again, failing at every call in turn, for a memory checker.
//   run_nnapi LIBRARY
// LIBRARY is tests/stand_in_nnapi.c. Prints how many runs went well and how many calls were made to fail.
#include <dlfcn.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "nnapi/runner.h"

namespace {

using subgraft::nnapi::CompileOptions;
using subgraft::nnapi::Error;
using subgraft::nnapi::Model;
using subgraft::nnapi::Port;
using subgraft::nnapi::Runner;

constexpr std::uint32_t kElements = 256;  // more than the library copies
constexpr std::int32_t kAdd = 0, kInt32 = 1, kTensorFloat32 = 3;

using Value = const void* (*)(const void* model, std::uint32_t operand);
Value value_of = nullptr;

int check(const void*) { return 0; }
// Reads the constant where the model has it: in memory of whoever made the model.
int compute(const void* model, const void* const* inputs, void* const* outputs) {
  const auto* const ones = static_cast<const float*>(value_of(model, 1));
  for (std::uint32_t i = 0; i < kElements; ++i)
    static_cast<float*>(outputs[0])[i] = static_cast<const float*>(inputs[0])[i] + ones[i];
  return 0;
}

// One compilation and `runs` runs; whether all went well.
bool round(const std::shared_ptr<subgraft::nnapi::Library>& library, int runs) {
  try {
    auto model = std::make_shared<Model>(library);
    const std::uint32_t shape[] = {kElements};
    auto ones = std::make_shared<std::vector<float>>(kElements, 1.0F);
    const std::int32_t none = 0;
    const std::uint32_t x = model->add_operand(kTensorFloat32, shape, 0, 0);
    const std::uint32_t one = model->add_operand(kTensorFloat32, shape, 0, 0);
    const std::uint32_t fuse = model->add_operand(kInt32, {}, 0, 0);
    const std::uint32_t y = model->add_operand(kTensorFloat32, shape, 0, 0);
    const void* const constant = ones->data();
    model->set_value(one, constant, kElements * sizeof(float), std::move(ones));  // only the model keeps it
    model->set_value(fuse, &none, sizeof none, nullptr);
    model->add_operation(kAdd, std::array{x, one, fuse}, std::array{y});
    model->identify(std::array{x}, std::array{y});
    model->finish();
    auto* const device = subgraft::nnapi::make<subgraft::nnapi::abi::Device>(library->device, 1U);
    const Port port{{kElements}, sizeof(float)};
    Runner runner(model, device, CompileOptions{}, {.bursts = true}, {port}, {port});
    runner.measure(true);
    const std::vector<float> from(kElements, 2.0F);
    std::vector<float> to(kElements);
    const void* const inputs[] = {from.data()};
    void* const outputs[] = {to.data()};
    bool good = true;
    for (int run = 0; run < runs; ++run) {
      try {
        runner.run(inputs, outputs);
        good = good && to[kElements - 1] == 3.0F;
      } catch (const Error&) {
        good = false;  // and the next run must stand it
      }
    }
    return good;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto library = subgraft::nnapi::load(argv[1], {});
  void* const handle = dlopen(argv[1], RTLD_NOW);
  const auto control = [&]<typename F>(F*, const char* name) { return reinterpret_cast<F*>(dlsym(handle, name)); };
  control(static_cast<void (*)(decltype(&check), decltype(&compute))>(nullptr), "stand_in_callbacks")(check, compute);
  auto* const fail = control(static_cast<void (*)(const char*, int, int, int, int, double)>(nullptr), "stand_in_fault");
  auto* const reset = control(static_cast<void (*)()>(nullptr), "stand_in_reset");
  auto* const live = control(static_cast<int (*)()>(nullptr), "stand_in_live");
  value_of = reinterpret_cast<Value>(dlsym(handle, "stand_in_value"));
  int good = round(library, 1000) ? 1 : 0, failed = 0;
  std::vector<std::string> names;
  subgraft::nnapi::visit_functions(*library, [&](const auto& function) { names.emplace_back(function.name()); });
  for (const std::string& name : names) {
    for (const int code : {4, 8, 9, 10, 14}) {
      for (const int times : {1, -1}) {
        reset();
        fail(name.c_str(), 1, code, times, 0, 0);
        if (!round(library, 3)) ++failed;
      }
    }
  }
  // The driver dies, and does not take the model again at once.
  for (const int code : {4, 10, 12, 14}) {
    reset();
    fail("ANeuralNetworksExecution_burstCompute", 1, 14, 1, 0, 0);
    fail("ANeuralNetworksCompilation_finish", 1, code, 1, 1, 0);
    if (!round(library, 3)) ++failed;
  }
  reset();
  if (round(library, 10)) ++good;
  std::printf("%d good, %d failed, %d left\n", good, failed, live());
  return good == 2 && failed > 0 && live() == 0 ? 0 : 1;
}
