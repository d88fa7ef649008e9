#include "model/options.h"

namespace subgraft {

const OptionValue* Options::find(std::string_view name) const {
  if (!table_) return nullptr;
  for (size_t i = 0; i < values_.size(); ++i)
    if (table_->fields[i].name == name) return &values_[i];
  return nullptr;
}

int64_t Options::integer(std::string_view name, int64_t fallback) const {
  const OptionValue* value = find(name);
  const int64_t* number = value ? std::get_if<int64_t>(value) : nullptr;
  return number ? *number : fallback;
}

double Options::real(std::string_view name, double fallback) const {
  const OptionValue* value = find(name);
  const double* number = value ? std::get_if<double>(value) : nullptr;
  return number ? *number : fallback;
}

std::string Options::text(std::string_view name) const {
  const OptionValue* value = find(name);
  const std::string* text = value ? std::get_if<std::string>(value) : nullptr;
  return text ? *text : std::string();
}

std::span<const int64_t> Options::integers(std::string_view name) const {
  const OptionValue* value = find(name);
  const auto* numbers = value ? std::get_if<std::vector<int64_t>>(value) : nullptr;
  return numbers ? std::span<const int64_t>(*numbers) : std::span<const int64_t>();
}

std::span<const double> Options::reals(std::string_view name) const {
  const OptionValue* value = find(name);
  const auto* numbers = value ? std::get_if<std::vector<double>>(value) : nullptr;
  return numbers ? std::span<const double>(*numbers) : std::span<const double>();
}

}  // namespace subgraft
