#include "opencl/library.h"

#include <dlfcn.h>

#include <algorithm>

#include "core/errors.h"

namespace subgraft::opencl {
namespace {

struct NamedCode {
  abi::code code;
  const char* name;
};

constexpr NamedCode kCodes[] = {
    {-1, "DEVICE_NOT_FOUND"},
    {-2, "DEVICE_NOT_AVAILABLE"},
    {-3, "COMPILER_NOT_AVAILABLE"},
    {-4, "MEM_OBJECT_ALLOCATION_FAILURE"},
    {-5, "OUT_OF_RESOURCES"},
    {-6, "OUT_OF_HOST_MEMORY"},
    {-7, "PROFILING_INFO_NOT_AVAILABLE"},
    {-8, "MEM_COPY_OVERLAP"},
    {-9, "IMAGE_FORMAT_MISMATCH"},
    {-10, "IMAGE_FORMAT_NOT_SUPPORTED"},
    {-11, "BUILD_PROGRAM_FAILURE"},
    {-12, "MAP_FAILURE"},
    {-13, "MISALIGNED_SUB_BUFFER_OFFSET"},
    {-14, "EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"},
    {-15, "COMPILE_PROGRAM_FAILURE"},
    {-16, "LINKER_NOT_AVAILABLE"},
    {-17, "LINK_PROGRAM_FAILURE"},
    {-18, "DEVICE_PARTITION_FAILED"},
    {-19, "KERNEL_ARG_INFO_NOT_AVAILABLE"},
    {-30, "INVALID_VALUE"},
    {-31, "INVALID_DEVICE_TYPE"},
    {-32, "INVALID_PLATFORM"},
    {-33, "INVALID_DEVICE"},
    {-34, "INVALID_CONTEXT"},
    {-35, "INVALID_QUEUE_PROPERTIES"},
    {-36, "INVALID_COMMAND_QUEUE"},
    {-37, "INVALID_HOST_PTR"},
    {-38, "INVALID_MEM_OBJECT"},
    {-39, "INVALID_IMAGE_FORMAT_DESCRIPTOR"},
    {-40, "INVALID_IMAGE_SIZE"},
    {-41, "INVALID_SAMPLER"},
    {-42, "INVALID_BINARY"},
    {-43, "INVALID_BUILD_OPTIONS"},
    {-44, "INVALID_PROGRAM"},
    {-45, "INVALID_PROGRAM_EXECUTABLE"},
    {-46, "INVALID_KERNEL_NAME"},
    {-47, "INVALID_KERNEL_DEFINITION"},
    {-48, "INVALID_KERNEL"},
    {-49, "INVALID_ARG_INDEX"},
    {-50, "INVALID_ARG_VALUE"},
    {-51, "INVALID_ARG_SIZE"},
    {-52, "INVALID_KERNEL_ARGS"},
    {-53, "INVALID_WORK_DIMENSION"},
    {-54, "INVALID_WORK_GROUP_SIZE"},
    {-55, "INVALID_WORK_ITEM_SIZE"},
    {-56, "INVALID_GLOBAL_OFFSET"},
    {-57, "INVALID_EVENT_WAIT_LIST"},
    {-58, "INVALID_EVENT"},
    {-59, "INVALID_OPERATION"},
    {-60, "INVALID_GL_OBJECT"},
    {-61, "INVALID_BUFFER_SIZE"},
    {-62, "INVALID_MIP_LEVEL"},
    {-63, "INVALID_GLOBAL_WORK_SIZE"},
    {-64, "INVALID_PROPERTY"},
    {-65, "INVALID_IMAGE_DESCRIPTOR"},
    {-66, "INVALID_COMPILER_OPTIONS"},
    {-67, "INVALID_LINKER_OPTIONS"},
    {-68, "INVALID_DEVICE_PARTITION_COUNT"},
    {-69, "INVALID_PIPE_SIZE"},
    {-70, "INVALID_DEVICE_QUEUE"},
    {-71, "INVALID_SPEC_ID"},
    {-72, "MAX_SIZE_RESTRICTION_EXCEEDED"},
    {-1001, "PLATFORM_NOT_FOUND_KHR"},
    // NVIDIA's driver answers it when a kernel read or wrote outside of its buffers; no header names it.
    {-9999, "ILLEGAL_ACCESS"},
};

template <typename Visit>
void visit_functions(Library& library, Visit visit) {
  visit(library.retain_context);
  visit(library.release_context);
  visit(library.create_queue);
  visit(library.release_queue);
  visit(library.flush);
  visit(library.finish);
  visit(library.create_program_with_source);
  visit(library.create_program_with_binary);
  visit(library.build_program);
  visit(library.get_program_info);
  visit(library.get_program_build_info);
  visit(library.release_program);
  visit(library.create_kernel);
  visit(library.set_kernel_arg);
  visit(library.get_kernel_info);
  visit(library.get_kernel_work_group_info);
  visit(library.release_kernel);
  visit(library.create_buffer);
  visit(library.release_memory);
  visit(library.write_buffer);
  visit(library.read_buffer);
  visit(library.map_buffer);
  visit(library.unmap);
  visit(library.launch);
  visit(library.get_event_profiling_info);
  visit(library.release_event);
  visit(library.create_queue_with_properties);
}

}  // namespace

std::string abi::name_of(code code) {
  for (const NamedCode& one : kCodes)
    if (one.code == code) return one.name;
  return concat("ERROR_", code);
}

void check(abi::code code, const char* call) {
  if (code == abi::kSuccess) return;
  const std::string name = abi::name_of(code);
  throw Error(name, call, concat(call, ": ", name, " (", code, ")"));
}

void throw_missing(const char* call) {
  throw Error(kMissingSymbol, call, concat(call, ": the OpenCL library has no function of this name"));
}

void throw_no_answer(const char* call) {
  throw Error(kNoAnswer, call, concat(call, ": the driver reported success and gave nothing"));
}

std::shared_ptr<Library> load(const std::string& path, const std::vector<std::string>& hidden) {
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const said = dlerror();
    throw LoadError(concat(path, " cannot be loaded: ", said != nullptr ? said : "no reason given"));
  }
  auto library = std::make_shared<Library>();
  library->path = path;
  std::size_t found = 0;
  visit_functions(*library, [&](auto& function) {
    void* const symbol = dlsym(handle, function.name());
    if (symbol != nullptr) ++found;
    if (symbol != nullptr && std::find(hidden.begin(), hidden.end(), function.name()) == hidden.end())
      function.set(symbol);
    else
      library->missing.emplace_back(function.name());
  });
  if (found == 0) throw LoadError(concat(path, " is no OpenCL library: it has none of its functions"));
  return library;
}

}  // namespace subgraft::opencl
