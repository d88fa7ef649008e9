// Subgraphs that are the function of a single op: how STABLEHLO_SCATTER and its kin combine two elements.
#pragma once

#include <cstdint>
#include <string>

#include "model/model.h"

namespace subgraft {

// The answer to Preparation::body.
std::string body_of(const Model& model, int64_t subgraph);

}  // namespace subgraft
