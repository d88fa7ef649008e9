// HASHTABLE HASHTABLE_IMPORT HASHTABLE_FIND HASHTABLE_SIZE: from int64 to string, or from string to int64.
#include "core/strings.h"
#include "kernels/families.h"
#include "runtime/resources.h"

namespace subgraft {
namespace {

bool is_pair(DType key, DType value) {
  return (key == DType::int64 && value == DType::string) || (key == DType::string && value == DType::int64);
}

void check_handle(const Preparation& p) {
  const Operand& handle = p.input(0);
  p.require(handle.dtype == DType::resource, "the handle is ", dtype_name(handle.dtype));
  p.require(handle.shape.elements() == 1, "the handle has shape ", handle.shape.text());
}

std::string text_of(int64_t id) {
  const auto text = Strings::find(id);
  if (!text) throw RunError("a string is gone, or never was one");
  return *text;
}

Compute prepare_hashtable(Preparation& p) {
  p.expect(0, 1);
  p.require(p.output(0).dtype == DType::resource, "output is ", dtype_name(p.output(0).dtype));
  const auto id = static_cast<int32_t>(p.options().integer("table_id"));
  const auto key = static_cast<DType>(p.options().integer("key_dtype"));
  const auto value = static_cast<DType>(p.options().integer("value_dtype"));
  if (!is_pair(key, value)) p.unsupported("a table from ", dtype_name(key), " to ", dtype_name(value));
  Resources& resources = p.resources();
  p.has_effects();
  p.set_output(0, Shape({1}));
  return [id, key, &resources](const Invocation& v) {
    resources.make_table(id, key == DType::string);
    *v.out<int32_t>(0) = id;
  };
}

// What is imported first stays, and of two equal keys the first counts, as in TFLite.
Compute prepare_import(Preparation& p) {
  p.expect(3, 0);
  check_handle(p);
  const Operand &keys = p.input(1), &values = p.input(2);
  p.require(is_pair(keys.dtype, values.dtype), "keys are ", dtype_name(keys.dtype), " and values ",
            dtype_name(values.dtype));
  p.require(keys.shape == values.shape, "keys have shape ", keys.shape.text(), " and values ", values.shape.text());
  p.has_effects();
  Resources& resources = p.resources();
  const int64_t count = keys.shape.elements();
  const bool by_text = keys.dtype == DType::string;
  return [&resources, count, by_text](const Invocation& v) {
    HashTable& table = resources.table(*v.in<int32_t>(0), by_text);
    if (table.is_imported) return;
    const auto *keys = v.in<int64_t>(1), *values = v.in<int64_t>(2);
    std::vector<std::string> texts;
    for (int64_t i = 0; i < count; ++i) texts.push_back(text_of(by_text ? keys[i] : values[i]));
    if (!by_text) table.texts = Strings::keep(std::move(texts));
    for (int64_t i = 0; i < count; ++i)
      if (by_text)
        table.by_text.emplace(std::move(texts[static_cast<size_t>(i)]), values[i]);
      else
        table.by_number.emplace(keys[i], table.texts->id(i));
    table.is_imported = true;
  };
}

Compute prepare_find(Preparation& p) {
  p.expect(3, 1);
  check_handle(p);
  const Operand &keys = p.input(1), &fallback = p.input(2);
  p.require(is_pair(keys.dtype, p.output(0).dtype), "keys are ", dtype_name(keys.dtype), " and the output is ",
            dtype_name(p.output(0).dtype));
  p.require(fallback.dtype == p.output(0).dtype, "the default value is ", dtype_name(fallback.dtype));
  p.require(fallback.shape.elements() == 1, "the default value has shape ", fallback.shape.text());
  p.has_effects();
  p.set_output(0, keys.shape);
  Resources& resources = p.resources();
  const int64_t count = keys.shape.elements();
  const bool by_text = keys.dtype == DType::string;
  return [&resources, count, by_text](const Invocation& v) {
    const HashTable& table = resources.table(*v.in<int32_t>(0), by_text);
    const auto* keys = v.in<int64_t>(1);
    const int64_t fallback = *v.in<int64_t>(2);
    for (int64_t i = 0; i < count; ++i) {
      if (by_text) {
        const auto found = table.by_text.find(text_of(keys[i]));
        v.out<int64_t>(0)[i] = found == table.by_text.end() ? fallback : found->second;
      } else {
        const auto found = table.by_number.find(keys[i]);
        v.out<int64_t>(0)[i] = found == table.by_number.end() ? fallback : found->second;
      }
    }
  };
}

Compute prepare_size(Preparation& p) {
  p.expect(1, 1);
  check_handle(p);
  p.require(p.output(0).dtype == DType::int64, "output is ", dtype_name(p.output(0).dtype));
  p.has_effects();
  p.set_output(0, Shape({1}));
  Resources& resources = p.resources();
  return [&resources](const Invocation& v) { *v.out<int64_t>(0) = resources.table(*v.in<int32_t>(0)).size(); };
}

}  // namespace

void register_hashtable(Registry& registry) {
  registry.add("HASHTABLE", prepare_hashtable);
  registry.add("HASHTABLE_FIND", prepare_find);
  registry.add("HASHTABLE_IMPORT", prepare_import);
  registry.add("HASHTABLE_SIZE", prepare_size);
}

}  // namespace subgraft
