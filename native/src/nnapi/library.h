// A library of the Neural Networks API, loaded while the program runs: Android's libneuralnetworks.so, or a vendor's
// support library. Each function is looked for on its own and may be absent.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/foreign_function.h"
#include "nnapi/abi.h"

namespace subgraft::nnapi {

struct LoadError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What went wrong, by name: a ResultCode without its ANEURALNETWORKS_, or one of those below.
struct Error : std::runtime_error {
  Error(std::string code_name, std::string in_call, const std::string& message)
      : std::runtime_error(message), code(std::move(code_name)), call(std::move(in_call)) {}

  const std::string code;
  const std::string call;  // "ANeuralNetworksCompilation_finish"
};

constexpr const char* kMissingSymbol = "MISSING_SYMBOL";  // the library lacks the function
constexpr const char* kNoAnswer = "NO_ANSWER";            // it reported success and gave nothing
constexpr const char* kWrongShape = "WRONG_SHAPE";        // it computed another shape than the model says
constexpr const char* kForked = "FORKED";                 // it was made before this process was forked
constexpr const char* kBusy = "BUSY";                     // it runs in another thread

// Throws for anything but success.
void check(abi::Code code, const char* call);
[[noreturn]] void throw_missing(const char* call);
[[noreturn]] void throw_no_answer(const char* call);

template <typename Signature>
using Function = ForeignFunction<Signature, throw_missing>;

// Calls what returns a code; throws Error when it is none of success.
template <typename... Parameters, typename... Arguments>
void call(const Function<abi::Code(Parameters...)>& function, Arguments... arguments) {
  check(function(arguments...), function.name());
}

// Calls what gives an object through its last parameter.
template <typename Made, typename... Parameters, typename... Arguments>
Made* make(const Function<abi::Code(Parameters...)>& function, Arguments... arguments) {
  Made* made = nullptr;
  check(function(arguments..., &made), function.name());
  if (made == nullptr) throw_no_answer(function.name());
  return made;
}

// The functions by the API level that brought them.
struct Library {
  using Index = std::int32_t;
  using OutputDims = std::uint32_t*;

  std::string path;
  std::string kind;                  // "neuralnetworks" or "support library"
  std::int64_t feature_level = 0;    // of the runtime
  std::vector<std::string> missing;  // of the functions below

  // 27
  Function<abi::Code(std::size_t, int, int, std::size_t, abi::Memory**)> memory_from_fd{
      "ANeuralNetworksMemory_createFromFd"};
  Function<void(abi::Memory*)> memory_free{"ANeuralNetworksMemory_free"};
  Function<abi::Code(abi::Model**)> model_create{"ANeuralNetworksModel_create"};
  Function<void(abi::Model*)> model_free{"ANeuralNetworksModel_free"};
  Function<abi::Code(abi::Model*)> model_finish{"ANeuralNetworksModel_finish"};
  Function<abi::Code(abi::Model*, const abi::OperandType*)> add_operand{"ANeuralNetworksModel_addOperand"};
  Function<abi::Code(abi::Model*, Index, const void*, std::size_t)> set_operand_value{
      "ANeuralNetworksModel_setOperandValue"};
  Function<abi::Code(abi::Model*, std::int32_t, std::uint32_t, const std::uint32_t*, std::uint32_t,
                     const std::uint32_t*)>
      add_operation{"ANeuralNetworksModel_addOperation"};
  Function<abi::Code(abi::Model*, std::uint32_t, const std::uint32_t*, std::uint32_t, const std::uint32_t*)>
      identify_inputs_and_outputs{"ANeuralNetworksModel_identifyInputsAndOutputs"};
  Function<abi::Code(abi::Model*, abi::Compilation**)> compilation_create{"ANeuralNetworksCompilation_create"};
  Function<void(abi::Compilation*)> compilation_free{"ANeuralNetworksCompilation_free"};
  Function<abi::Code(abi::Compilation*, std::int32_t)> set_preference{"ANeuralNetworksCompilation_setPreference"};
  Function<abi::Code(abi::Compilation*)> compilation_finish{"ANeuralNetworksCompilation_finish"};
  Function<abi::Code(abi::Compilation*, abi::Execution**)> execution_create{"ANeuralNetworksExecution_create"};
  Function<void(abi::Execution*)> execution_free{"ANeuralNetworksExecution_free"};
  Function<abi::Code(abi::Execution*, Index, const abi::OperandType*, const void*, std::size_t)> set_input{
      "ANeuralNetworksExecution_setInput"};
  Function<abi::Code(abi::Execution*, Index, const abi::OperandType*, const abi::Memory*, std::size_t, std::size_t)>
      set_input_from_memory{"ANeuralNetworksExecution_setInputFromMemory"};
  Function<abi::Code(abi::Execution*, Index, const abi::OperandType*, void*, std::size_t)> set_output{
      "ANeuralNetworksExecution_setOutput"};
  Function<abi::Code(abi::Execution*, Index, const abi::OperandType*, const abi::Memory*, std::size_t, std::size_t)>
      set_output_from_memory{"ANeuralNetworksExecution_setOutputFromMemory"};
  Function<abi::Code(abi::Execution*, abi::Event**)> start_compute{"ANeuralNetworksExecution_startCompute"};
  Function<abi::Code(abi::Event*)> event_wait{"ANeuralNetworksEvent_wait"};
  Function<void(abi::Event*)> event_free{"ANeuralNetworksEvent_free"};
  // 28
  Function<abi::Code(abi::Model*, bool)> relax_float32{"ANeuralNetworksModel_relaxComputationFloat32toFloat16"};
  // 29
  Function<abi::Code(std::uint32_t*)> device_count{"ANeuralNetworks_getDeviceCount"};
  Function<abi::Code(std::uint32_t, abi::Device**)> device{"ANeuralNetworks_getDevice"};
  Function<abi::Code(const abi::Device*, const char**)> device_name{"ANeuralNetworksDevice_getName"};
  Function<abi::Code(const abi::Device*, std::int32_t*)> device_type{"ANeuralNetworksDevice_getType"};
  Function<abi::Code(const abi::Device*, const char**)> device_version{"ANeuralNetworksDevice_getVersion"};
  Function<abi::Code(const abi::Device*, std::int64_t*)> device_feature_level{"ANeuralNetworksDevice_getFeatureLevel"};
  Function<abi::Code(const abi::Model*, const abi::Device* const*, std::uint32_t, bool*)> supported_operations{
      "ANeuralNetworksModel_getSupportedOperationsForDevices"};
  Function<abi::Code(abi::Model*, Index, const abi::ChannelScales*)> set_channel_scales{
      "ANeuralNetworksModel_setOperandSymmPerChannelQuantParams"};
  Function<abi::Code(abi::Model*, const abi::Device* const*, std::uint32_t, abi::Compilation**)>
      compilation_create_for_devices{"ANeuralNetworksCompilation_createForDevices"};
  Function<abi::Code(abi::Compilation*, const char*, const std::uint8_t*)> set_caching{
      "ANeuralNetworksCompilation_setCaching"};
  Function<abi::Code(abi::Execution*)> compute{"ANeuralNetworksExecution_compute"};
  Function<abi::Code(abi::Execution*, Index, std::uint32_t*)> output_rank{
      "ANeuralNetworksExecution_getOutputOperandRank"};
  Function<abi::Code(abi::Execution*, Index, OutputDims)> output_dimensions{
      "ANeuralNetworksExecution_getOutputOperandDimensions"};
  Function<abi::Code(abi::Compilation*, abi::Burst**)> burst_create{"ANeuralNetworksBurst_create"};
  Function<void(abi::Burst*)> burst_free{"ANeuralNetworksBurst_free"};
  Function<abi::Code(abi::Execution*, abi::Burst*)> burst_compute{"ANeuralNetworksExecution_burstCompute"};
  Function<abi::Code(abi::Execution*, bool)> set_measure_timing{"ANeuralNetworksExecution_setMeasureTiming"};
  Function<abi::Code(const abi::Execution*, std::int32_t, std::uint64_t*)> duration{
      "ANeuralNetworksExecution_getDuration"};
  // 30
  Function<abi::Code(abi::Model*, Index, const abi::Model*)> set_operand_value_from_model{
      "ANeuralNetworksModel_setOperandValueFromModel"};
  Function<abi::Code(abi::Compilation*, int)> set_priority{"ANeuralNetworksCompilation_setPriority"};
  Function<abi::Code(abi::Compilation*, std::uint64_t)> compilation_set_timeout{
      "ANeuralNetworksCompilation_setTimeout"};
  Function<abi::Code(abi::Execution*, std::uint64_t)> execution_set_timeout{"ANeuralNetworksExecution_setTimeout"};
  Function<abi::Code(abi::Execution*, std::uint64_t)> set_loop_timeout{"ANeuralNetworksExecution_setLoopTimeout"};
  // 31
  Function<std::int64_t()> runtime_feature_level{"ANeuralNetworks_getRuntimeFeatureLevel"};
  Function<abi::Code(abi::Execution*, bool)> set_reusable{"ANeuralNetworksExecution_setReusable"};
};

// Calls what(function) for each.
template <typename Of, typename What>
void visit_functions(Of& library, What what);

// Stays loaded for good: drivers own threads. hidden: names of functions treated as absent. Throws LoadError with what
// the dynamic linker said, or when the file has none of the functions.
std::shared_ptr<Library> load(const std::string& path, const std::vector<std::string>& hidden);

template <typename Of, typename What>
void visit_functions(Of& l, What what) {
  const auto each = [&](auto&... functions) { (what(functions), ...); };
  each(l.memory_from_fd, l.memory_free, l.model_create, l.model_free, l.model_finish, l.add_operand,
       l.set_operand_value, l.add_operation, l.identify_inputs_and_outputs, l.compilation_create, l.compilation_free,
       l.set_preference, l.compilation_finish, l.execution_create, l.execution_free, l.set_input,
       l.set_input_from_memory, l.set_output, l.set_output_from_memory, l.start_compute, l.event_wait, l.event_free,
       l.relax_float32, l.device_count, l.device, l.device_name, l.device_type, l.device_version,
       l.device_feature_level, l.supported_operations, l.set_channel_scales, l.compilation_create_for_devices,
       l.set_caching, l.compute, l.output_rank, l.output_dimensions, l.burst_create, l.burst_free, l.burst_compute,
       l.set_measure_timing, l.duration, l.set_operand_value_from_model, l.set_priority, l.compilation_set_timeout, l.execution_set_timeout,
       l.set_loop_timeout, l.runtime_feature_level, l.set_reusable);
}

}  // namespace subgraft::nnapi
