#include "nnapi/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string_view>

#include "core/errors.h"

namespace subgraft::nnapi {
namespace {

constexpr const char* kCodes[] = {
    "NO_ERROR",
    "OUT_OF_MEMORY",
    "INCOMPLETE",
    "UNEXPECTED_NULL",
    "BAD_DATA",
    "OP_FAILED",
    "BAD_STATE",
    "UNMAPPABLE",
    "OUTPUT_INSUFFICIENT_SIZE",
    "UNAVAILABLE_DEVICE",
    "MISSED_DEADLINE_TRANSIENT",
    "MISSED_DEADLINE_PERSISTENT",
    "RESOURCE_EXHAUSTED_TRANSIENT",
    "RESOURCE_EXHAUSTED_PERSISTENT",
    "DEAD_OBJECT",
};

// The entry of a support library, and the functions behind the feature level (an int64) of the struct that it returns,
// in their order: NnApiSLDriverImplFL5.
constexpr const char* kSupportEntry = "ANeuralNetworks_getSLDriverImpl";
constexpr std::string_view kSupportTable[] = {
    "ANeuralNetworksBurst_create",
    "ANeuralNetworksBurst_free",
    "ANeuralNetworksCompilation_createForDevices",
    "ANeuralNetworksCompilation_finish",
    "ANeuralNetworksCompilation_free",
    "ANeuralNetworksCompilation_getPreferredMemoryAlignmentForInput",
    "ANeuralNetworksCompilation_getPreferredMemoryAlignmentForOutput",
    "ANeuralNetworksCompilation_getPreferredMemoryPaddingForInput",
    "ANeuralNetworksCompilation_getPreferredMemoryPaddingForOutput",
    "ANeuralNetworksCompilation_setCaching",
    "ANeuralNetworksCompilation_setPreference",
    "ANeuralNetworksCompilation_setPriority",
    "ANeuralNetworksCompilation_setTimeout",
    "ANeuralNetworksDevice_getExtensionSupport",
    "ANeuralNetworksDevice_getFeatureLevel",
    "ANeuralNetworksDevice_getName",
    "ANeuralNetworksDevice_getType",
    "ANeuralNetworksDevice_getVersion",
    "ANeuralNetworksDevice_wait",
    "ANeuralNetworksEvent_createFromSyncFenceFd",
    "ANeuralNetworksEvent_free",
    "ANeuralNetworksEvent_getSyncFenceFd",
    "ANeuralNetworksEvent_wait",
    "ANeuralNetworksExecution_burstCompute",
    "ANeuralNetworksExecution_compute",
    "ANeuralNetworksExecution_create",
    "ANeuralNetworksExecution_enableInputAndOutputPadding",
    "ANeuralNetworksExecution_free",
    "ANeuralNetworksExecution_getDuration",
    "ANeuralNetworksExecution_getOutputOperandDimensions",
    "ANeuralNetworksExecution_getOutputOperandRank",
    "ANeuralNetworksExecution_setInput",
    "ANeuralNetworksExecution_setInputFromMemory",
    "ANeuralNetworksExecution_setLoopTimeout",
    "ANeuralNetworksExecution_setMeasureTiming",
    "ANeuralNetworksExecution_setOutput",
    "ANeuralNetworksExecution_setOutputFromMemory",
    "ANeuralNetworksExecution_setReusable",
    "ANeuralNetworksExecution_setTimeout",
    "ANeuralNetworksExecution_startComputeWithDependencies",
    "ANeuralNetworksMemoryDesc_addInputRole",
    "ANeuralNetworksMemoryDesc_addOutputRole",
    "ANeuralNetworksMemoryDesc_create",
    "ANeuralNetworksMemoryDesc_finish",
    "ANeuralNetworksMemoryDesc_free",
    "ANeuralNetworksMemoryDesc_setDimensions",
    "ANeuralNetworksMemory_copy",
    "ANeuralNetworksMemory_createFromAHardwareBuffer",
    "ANeuralNetworksMemory_createFromDesc",
    "ANeuralNetworksMemory_createFromFd",
    "ANeuralNetworksMemory_free",
    "ANeuralNetworksModel_addOperand",
    "ANeuralNetworksModel_addOperation",
    "ANeuralNetworksModel_create",
    "ANeuralNetworksModel_finish",
    "ANeuralNetworksModel_free",
    "ANeuralNetworksModel_getExtensionOperandType",
    "ANeuralNetworksModel_getExtensionOperationType",
    "ANeuralNetworksModel_getSupportedOperationsForDevices",
    "ANeuralNetworksModel_identifyInputsAndOutputs",
    "ANeuralNetworksModel_relaxComputationFloat32toFloat16",
    "ANeuralNetworksModel_setOperandExtensionData",
    "ANeuralNetworksModel_setOperandSymmPerChannelQuantParams",
    "ANeuralNetworksModel_setOperandValue",
    "ANeuralNetworksModel_setOperandValueFromMemory",
    "ANeuralNetworksModel_setOperandValueFromModel",
    "ANeuralNetworks_getDefaultLoopTimeout",
    "ANeuralNetworks_getDevice",
    "ANeuralNetworks_getDeviceCount",
    "ANeuralNetworks_getMaximumLoopTimeout",
    "ANeuralNetworks_getRuntimeFeatureLevel",
};

// Where a library has its functions: exported by name, or in the table of a support library.
class Symbols {
 public:
  explicit Symbols(void* handle) : handle_(handle) {
    using Entry = const std::byte* (*)();
    if (const auto entry = reinterpret_cast<Entry>(dlsym(handle, kSupportEntry))) table_ = entry();
  }

  bool has_table() const { return table_ != nullptr; }
  std::int64_t table_level() const {
    std::int64_t level;
    std::memcpy(&level, table_, sizeof level);
    return level;
  }
  void* find(const char* name) const {
    if (!table_) return dlsym(handle_, name);
    const auto* const at = std::find(std::begin(kSupportTable), std::end(kSupportTable), name);
    if (at == std::end(kSupportTable)) return nullptr;
    void* function;
    std::memcpy(&function, table_ + sizeof(std::int64_t) + (at - kSupportTable) * sizeof(void*), sizeof function);
    return function;
  }

 private:
  void* handle_;
  const std::byte* table_ = nullptr;
};

// The runtime's level: what it says, or else the latest of whose functions it has one that every library of it has.
std::int64_t feature_level(const Library& library) {
  if (library.runtime_feature_level) return library.runtime_feature_level();
  if (library.compilation_set_timeout) return abi::kLevel4;
  if (library.device_count) return abi::kLevel3;
  if (library.relax_float32) return abi::kLevel2;
  return abi::kLevel1;
}

}  // namespace

std::string abi::name_of(Code code) {
  if (code >= 0 && code < static_cast<Code>(std::size(kCodes))) return kCodes[code];
  return concat("ERROR_", code);
}

void check(abi::Code code, const char* call) {
  if (code == abi::kNoError) return;
  const std::string name = abi::name_of(code);
  throw Error(name, call, concat(call, ": ", name, " (", code, ")"));
}

void throw_missing(const char* call) {
  throw Error(kMissingSymbol, call, concat(call, ": the NNAPI library has no function of this name"));
}

void throw_no_answer(const char* call) {
  throw Error(kNoAnswer, call, concat(call, ": the library reported success and gave nothing"));
}

std::shared_ptr<Library> load(const std::string& path, const std::vector<std::string>& hidden) {
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const said = dlerror();
    throw LoadError(concat(path, " cannot be loaded: ", said != nullptr ? said : "no reason given"));
  }
  const Symbols symbols(handle);
  if (symbols.has_table() && symbols.table_level() < abi::kLevel5)
    throw LoadError(concat(path, " is a support library of feature level ", symbols.table_level(),
                           "; the first that there is has ", abi::kLevel5));
  auto library = std::make_shared<Library>();
  library->path = path;
  library->kind = symbols.has_table() ? "support library" : "neuralnetworks";
  std::size_t found = 0;
  visit_functions(*library, [&](auto& function) {
    void* const symbol = symbols.find(function.name());
    if (symbol != nullptr) ++found;
    if (symbol != nullptr && std::find(hidden.begin(), hidden.end(), function.name()) == hidden.end())
      function.set(symbol);
    else
      library->missing.emplace_back(function.name());
  });
  if (found == 0) throw LoadError(concat(path, " is no NNAPI library: it has none of its functions"));
  library->feature_level = feature_level(*library);
  return library;
}

}  // namespace subgraft::nnapi
