#include "opencl/program.h"

#include <algorithm>

#include "core/errors.h"

namespace subgraft::opencl {
namespace {

constexpr std::size_t kLongestLogInMessage = 2000;  // bytes; the whole is in Error::log

}  // namespace

std::shared_ptr<Program> Program::build(const std::shared_ptr<Context>& context, const std::string& source,
                                        const std::string& options) {
  const Context::Use use(*context);
  const char* text = source.data();
  const std::size_t size = source.size();
  abi::program* const raw = make(context->library().create_program_with_source, context->raw(), 1U, &text, &size);
  std::shared_ptr<Program> program(new Program(context, raw));
  program->compile(options);
  return program;
}

std::shared_ptr<Program> Program::load(const std::shared_ptr<Context>& context, const std::vector<std::byte>& binary,
                                       const std::string& options) {
  if (binary.empty()) throw ArgumentError("a program cannot be loaded from 0 bytes");
  const Context::Use use(*context);
  const auto* bytes = reinterpret_cast<const unsigned char*>(binary.data());
  const std::size_t size = binary.size();
  abi::device* const device = context->device();
  abi::code accepted = abi::kSuccess;
  abi::program* const raw =
      make(context->library().create_program_with_binary, context->raw(), 1U, &device, &size, &bytes, &accepted);
  std::shared_ptr<Program> program(new Program(context, raw));
  check(accepted, context->library().create_program_with_binary.name());
  program->compile(options);
  return program;
}

void Program::compile(const std::string& options) const {
  const Library& library = context().library();
  abi::device* const device = context().device();
  try {
    call(library.build_program, raw(), 1U, &device, options.c_str(), nullptr, nullptr);
  } catch (const Error& error) {
    const std::string text = log();
    if (text.empty()) throw;
    throw Error(error.code, error.call, concat(error.what(), "\n", text.substr(0, kLongestLogInMessage)), text);
  }
}

// Empty when the driver has none to give.
std::string Program::log() const {
  const auto& get = context().library().get_program_build_info;
  abi::device* const device = context().device();
  std::size_t size = 0;
  if (!get || get(raw(), device, abi::kProgramBuildLog, 0, nullptr, &size) != abi::kSuccess) return {};
  std::string text(size, '\0');
  if (get(raw(), device, abi::kProgramBuildLog, size, text.data(), nullptr) != abi::kSuccess) return {};
  while (!text.empty() && (text.back() == '\0' || text.back() == '\n')) text.pop_back();
  return text;
}

std::vector<std::byte> Program::binary() const {
  const Context::Use use(context());
  const auto& get = context().library().get_program_info;
  std::size_t bytes = 0;
  call(get, raw(), abi::kProgramDevices, std::size_t{0}, nullptr, &bytes);
  std::vector<abi::device*> devices(bytes / sizeof(abi::device*));
  call(get, raw(), abi::kProgramDevices, bytes, static_cast<void*>(devices.data()), nullptr);
  const auto ours = std::find(devices.begin(), devices.end(), context().device());
  if (ours == devices.end()) throw_no_answer(get.name());

  std::vector<std::size_t> sizes(devices.size());
  call(get, raw(), abi::kProgramBinarySizes, sizes.size() * sizeof(std::size_t), static_cast<void*>(sizes.data()),
       nullptr);
  std::vector<std::vector<std::byte>> binaries(devices.size());
  std::vector<std::byte*> pointers(devices.size());
  for (std::size_t i = 0; i < devices.size(); ++i) {
    binaries[i].resize(sizes[i]);
    pointers[i] = binaries[i].data();
  }
  call(get, raw(), abi::kProgramBinaries, pointers.size() * sizeof(std::byte*), static_cast<void*>(pointers.data()),
       nullptr);
  auto& binary = binaries[static_cast<std::size_t>(ours - devices.begin())];
  if (binary.empty()) throw_no_answer(get.name());
  return std::move(binary);
}

std::size_t Program::work_group_limit(const std::string& kernel) const {
  const Context::Use use(context());
  const Library& library = context().library();
  const Held<abi::kernel> made(program_.shared_context(), make(library.create_kernel, raw(), kernel.c_str()));
  return opencl::work_group_limit(context(), made.raw());
}

std::size_t work_group_limit(const Context& context, abi::kernel* kernel) {
  std::size_t limit = 0;
  call(context.library().get_kernel_work_group_info, kernel, context.device(), abi::kKernelWorkGroupSize, sizeof limit,
       static_cast<void*>(&limit), nullptr);
  return limit;
}

}  // namespace subgraft::opencl
