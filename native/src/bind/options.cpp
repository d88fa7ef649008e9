#include "bind/options.h"

#include <pybind11/stl.h>

#include <iterator>
#include <limits>

#include "core/errors.h"
#include "model/operator_options.h"
#include "model/schema.h"

namespace py = pybind11;

namespace subgraft {
namespace {

static_assert(std::size(schema::kOperatorOptions) == std::size(schema::kBuiltinOperatorNames));

py::object enumerator(int64_t value, const OptionField& field) {
  if (value >= 0 && static_cast<size_t>(value) < field.names.size())
    return py::str(field.names[static_cast<size_t>(value)]);
  return py::int_(value);
}

py::tuple integers_to_tuple(const std::vector<int64_t>& values, const OptionField& field) {
  py::tuple result(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (field.kind == OptionKind::booleans)
      result[i] = py::bool_(values[i] != 0);
    else
      result[i] = enumerator(values[i], field);
  }
  return result;
}

py::object value_to_python(const OptionValue& value, const OptionField& field) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    if (field.kind == OptionKind::boolean) return py::bool_(*number != 0);
    if (field.kind == OptionKind::u64) return py::int_(static_cast<uint64_t>(*number));
    return enumerator(*number, field);
  }
  if (const auto* number = std::get_if<double>(&value)) return py::float_(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return text_from_file(*text);
  if (const auto* numbers = std::get_if<std::vector<int64_t>>(&value)) return integers_to_tuple(*numbers, field);
  if (const auto* numbers = std::get_if<std::vector<double>>(&value)) {
    py::tuple result(numbers->size());
    for (size_t i = 0; i < numbers->size(); ++i) result[i] = (*numbers)[i];
    return result;
  }
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    py::tuple result(texts->size());
    for (size_t i = 0; i < texts->size(); ++i) result[i] = text_from_file((*texts)[i]);
    return result;
  }
  return py::none();
}

struct Range {
  int64_t least, most;
};

Range range(OptionKind kind) {
  switch (kind) {
    case OptionKind::boolean:
    case OptionKind::booleans:
      return {0, 1};
    case OptionKind::i8:
      return {-128, 127};
    case OptionKind::u8:
    case OptionKind::u8s:
      return {0, 255};
    case OptionKind::u32:
    case OptionKind::u32s:
      return {0, std::numeric_limits<uint32_t>::max()};
    case OptionKind::i32:
    case OptionKind::i32s:
      return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
    default:
      return {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
  }
}

int64_t integer_from_python(const py::handle& value, const OptionField& field) {
  if (py::isinstance<py::str>(value)) {
    const auto name = value.cast<std::string>();
    for (size_t i = 0; i < field.names.size(); ++i)
      if (field.names[i] == name) return static_cast<int64_t>(i);
    throw ArgumentError(concat("option ", field.name, " cannot be '", name, "'"));
  }
  if (field.kind == OptionKind::u64) return static_cast<int64_t>(value.cast<uint64_t>());
  const auto number = value.cast<int64_t>();
  const Range allowed = range(field.kind);
  if (number < allowed.least || number > allowed.most)
    throw ArgumentError(concat("option ", field.name, " cannot be ", number));
  return number;
}

OptionValue value_from_python(const py::handle& value, const OptionField& field) {
  switch (field.kind) {
    case OptionKind::f32:
      return value.cast<double>();
    case OptionKind::string:
      return value.cast<std::string>();
    case OptionKind::f32s:
      return value.cast<std::vector<double>>();
    case OptionKind::strings:
      return value.cast<std::vector<std::string>>();
    case OptionKind::booleans:
    case OptionKind::u8s:
    case OptionKind::i32s:
    case OptionKind::u32s:
    case OptionKind::i64s: {
      std::vector<int64_t> numbers;
      for (const py::handle element : value.cast<py::sequence>())
        numbers.push_back(integer_from_python(element, field));
      return numbers;
    }
    default:
      return integer_from_python(value, field);
  }
}

OptionValue absent_value(const OptionField& field) {
  switch (field.kind) {
    case OptionKind::boolean:
    case OptionKind::i8:
    case OptionKind::u8:
    case OptionKind::i32:
    case OptionKind::u32:
    case OptionKind::i64:
    case OptionKind::u64:
      return field.fallback;
    case OptionKind::f32:
      return static_cast<double>(field.fallback);
    default:
      return {};
  }
}

template <typename Tables>
uint8_t position(const Tables& tables, const std::string& name) {
  for (size_t i = 1; i < std::size(tables); ++i)
    if (tables[i].name == name) return static_cast<uint8_t>(i);
  return 0;
}

OptionValue option_from_dict(const OptionTable& table, const OptionField& field, const py::dict& values) {
  if (!values.contains(field.name)) return absent_value(field);
  const py::object value = values[field.name];
  if (value.is_none()) return absent_value(field);
  try {
    return value_from_python(value, field);
  } catch (const py::cast_error&) {
    throw ArgumentError(
        concat(table.name, ": option ", field.name, " cannot be ", py::repr(value).cast<std::string>()));
  }
}

Options options_from_dict(const OptionTable& table, const py::dict& values) {
  std::vector<OptionValue> decoded;
  py::set unknown(values);
  for (const OptionField& field : table.fields) {
    if (field.kind == OptionKind::absent) {
      decoded.emplace_back();
      continue;
    }
    unknown.attr("discard")(field.name);
    decoded.push_back(option_from_dict(table, field, values));
  }
  if (!unknown.empty())
    throw ArgumentError(concat(table.name, " has no option ", py::repr(*unknown.begin()).cast<std::string>()));
  return Options(&table, std::move(decoded));
}

}  // namespace

py::str text_from_file(const std::string& text) {
  PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
  if (!decoded) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

py::dict options_to_dict(const Options& options) {
  py::dict values;
  if (!options.table()) return values;
  for (size_t i = 0; i < options.values().size(); ++i) {
    const OptionField& field = options.table()->fields[i];
    if (field.kind != OptionKind::absent) values[field.name] = value_to_python(options.values()[i], field);
  }
  return values;
}

void set_options(OpDef& op, int32_t builtin, const std::string& table, const py::dict& values) {
  std::string name = table;
  if (name.empty() && !values.empty() && static_cast<size_t>(builtin) < std::size(schema::kOperatorOptions))
    name = schema::kOperatorOptions[builtin];
  if (name.empty()) {
    if (!values.empty()) throw ArgumentError("this operator has no options");
    return;
  }
  op.options_type = position(schema::kBuiltinOptions, name);
  op.options_2_type = op.options_type ? uint8_t{0} : position(schema::kBuiltinOptions2, name);
  if (op.options_type)
    op.options = options_from_dict(schema::kBuiltinOptions[op.options_type], values);
  else if (op.options_2_type)
    op.options = options_from_dict(schema::kBuiltinOptions2[op.options_2_type], values);
  else
    throw ArgumentError("the schema has no options table '" + name + "'");
}

}  // namespace subgraft
