// String tensors between numpy and native programs.
#pragma once

#include <pybind11/numpy.h>

#include <memory>

#include "core/strings.h"

namespace subgraft {

// Keeps the elements of an array of bytes or str, str as UTF-8. Throws ArgumentError for anything else.
std::shared_ptr<const Strings> keep_texts(const pybind11::array& array);

// Writes the numbers of an array's strings one after the other.
void write_ids(const Strings& texts, int64_t* ids);

// bytes objects for the strings of these numbers. Throws ArgumentError for one that is gone.
void read_texts(const int64_t* ids, pybind11::array& objects);

}  // namespace subgraft
