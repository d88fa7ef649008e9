// The parts of bind_model, and what they share.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <vector>

#include "core/errors.h"
#include "model/model.h"

namespace subgraft {

// Throws ArgumentError when there is no such element.
template <typename T>
const T& element(const std::vector<T>& elements, size_t i, const char* noun) {
  if (i >= elements.size()) throw ArgumentError(concat("there is no ", noun, " ", i));
  return elements[i];
}

// A model as the bytes of a file.
pybind11::bytes write(const Model& model, size_t largest_flatbuffer);

void bind_tables(pybind11::module_& m);      // the structs of a decoded file
void bind_draft(pybind11::module_& m);       // a model in the making
void bind_flexbuffer(pybind11::module_& m);  // custom options

}  // namespace subgraft
