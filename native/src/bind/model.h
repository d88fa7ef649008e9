// The parts of bind_model.
#pragma once

#include <pybind11/pybind11.h>

namespace subgraft {

void bind_tables(pybind11::module_& m);      // the structs of a decoded file
void bind_draft(pybind11::module_& m);       // a model in the making
void bind_flexbuffer(pybind11::module_& m);  // custom options

}  // namespace subgraft
