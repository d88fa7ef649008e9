#include "nnapi/model.h"

#include "core/errors.h"

namespace subgraft::nnapi {

Model::Model(std::shared_ptr<Library> library) : library_(std::move(library)) {
  model_ = make<abi::Model>(library_->model_create);
}

Model::~Model() {
  if (model_ != nullptr && library_->model_free) library_->model_free(model_);
}

std::uint32_t Model::add_operand(std::int32_t type, std::span<const std::uint32_t> dimensions, float scale,
                                 std::int32_t zero_point) {
  const abi::OperandType operand{type, static_cast<std::uint32_t>(dimensions.size()),
                                 dimensions.empty() ? nullptr : dimensions.data(), scale, zero_point};
  call(library_->add_operand, model_, &operand);
  return operands_++;
}

void Model::set_channel_scales(std::uint32_t operand, std::uint32_t dim, std::span<const float> scales) {
  auto kept = std::make_shared<const std::vector<float>>(scales.begin(), scales.end());
  const abi::ChannelScales channels{dim, static_cast<std::uint32_t>(kept->size()), kept->data()};
  holders_.push_back(std::move(kept));
  call(library_->set_channel_scales, model_, static_cast<std::int32_t>(operand), &channels);
}

void Model::set_value(std::uint32_t operand, const void* data, std::size_t bytes, std::shared_ptr<const void> holder) {
  if (bytes > abi::kCopiedValueBytes) holders_.push_back(std::move(holder));
  call(library_->set_operand_value, model_, static_cast<std::int32_t>(operand), data, bytes);
}

void Model::set_model(std::uint32_t operand, std::shared_ptr<const Model> model) {
  const abi::Model* const referred = model->get();
  holders_.push_back(std::move(model));
  call(library_->set_operand_value_from_model, model_, static_cast<std::int32_t>(operand), referred);
}

void Model::set_absent(std::uint32_t operand) {
  const void* const nothing = nullptr;
  call(library_->set_operand_value, model_, static_cast<std::int32_t>(operand), nothing, std::size_t{0});
}

void Model::add_operation(std::int32_t code, std::span<const std::uint32_t> inputs,
                          std::span<const std::uint32_t> outputs) {
  call(library_->add_operation, model_, code, static_cast<std::uint32_t>(inputs.size()), inputs.data(),
       static_cast<std::uint32_t>(outputs.size()), outputs.data());
  ++operations_;
}

void Model::identify(std::span<const std::uint32_t> inputs, std::span<const std::uint32_t> outputs) {
  const std::uint32_t none = 0;  // the library wants an address of as many as zero inputs too
  call(library_->identify_inputs_and_outputs, model_, static_cast<std::uint32_t>(inputs.size()),
       inputs.empty() ? &none : inputs.data(), static_cast<std::uint32_t>(outputs.size()), outputs.data());
}

void Model::relax(bool allow) { call(library_->relax_float32, model_, allow); }

void Model::finish() { call(library_->model_finish, model_); }

std::vector<bool> Model::supported(std::span<abi::Device* const> devices) const {
  const auto answers = std::make_unique<bool[]>(operations_ + 1);  // false until the driver says yes
  call(library_->supported_operations, static_cast<const abi::Model*>(model_),
       static_cast<const abi::Device* const*>(devices.data()), static_cast<std::uint32_t>(devices.size()),
       answers.get());
  return std::vector<bool>(answers.get(), answers.get() + operations_);
}

}  // namespace subgraft::nnapi
