#include "nnapi/compilation.h"

namespace subgraft::nnapi {

Compilation::Compilation(std::shared_ptr<const Model> model, abi::Device* device, const CompileOptions& options)
    : model_(std::move(model)) {
  const Library& l = library();
  if (device != nullptr) {
    const abi::Device* const devices[] = {device};
    compilation_ = make<abi::Compilation>(l.compilation_create_for_devices, model_->get(), devices, 1U);
  } else {
    compilation_ = make<abi::Compilation>(l.compilation_create, model_->get());
  }
  try {
    set(device, options);
  } catch (const Error&) {
    l.compilation_free(compilation_);
    throw;
  }
}

void Compilation::set(abi::Device* device, const CompileOptions& options) {
  const Library& l = library();
  if (options.preference) call(l.set_preference, compilation_, *options.preference);
  if (!options.cache_folder.empty() && l.set_caching)
    call(l.set_caching, compilation_, options.cache_folder.c_str(), options.token.data());
  if (options.priority && l.set_priority) call(l.set_priority, compilation_, *options.priority);
  if (options.timeout_ns != 0 && device != nullptr && l.compilation_set_timeout)
    call(l.compilation_set_timeout, compilation_, options.timeout_ns);
  call(l.compilation_finish, compilation_);
}

Compilation::~Compilation() {
  if (library().compilation_free) library().compilation_free(compilation_);
}

}  // namespace subgraft::nnapi
