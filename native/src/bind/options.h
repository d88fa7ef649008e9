// Operators' options as Python dicts and back.
#pragma once

#include <pybind11/pybind11.h>

#include "model/model.h"

namespace subgraft {

// Text of a file as a str; bytes that are no UTF-8 become U+FFFD.
pybind11::str text_from_file(const std::string& text);

// Enumerations by name, vectors as tuples; empty when there are none.
pybind11::dict options_to_dict(const Options& options);

// Fills options and the union types. An empty table name stands for the one that belongs to the builtin operator; an
// option that is left out has the schema's default. Throws ArgumentError for a table or an option that does not exist.
void set_options(OpDef& op, int32_t builtin, const std::string& table, const pybind11::dict& values);

}  // namespace subgraft
