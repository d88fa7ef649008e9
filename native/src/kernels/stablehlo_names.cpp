// StableHLO's ops that are TFLite's under another name. LiteRT reads them, but has no kernel for them.
#include "kernels/families.h"

namespace subgraft {
namespace {

struct Name {
  const char *stablehlo, *builtin;
};

constexpr Name kNames[] = {
    {"STABLEHLO_ABS", "ABS"},      {"STABLEHLO_CONVERT", "CAST"},      {"STABLEHLO_COSINE", "COS"},
    {"STABLEHLO_DIVIDE", "DIV"},   {"STABLEHLO_EXPONENTIAL", "EXP"},   {"STABLEHLO_FLOOR", "FLOOR"},
    {"STABLEHLO_LOG", "LOG"},      {"STABLEHLO_LOGISTIC", "LOGISTIC"}, {"STABLEHLO_NEGATE", "NEG"},
    {"STABLEHLO_POWER", "POW"},    {"STABLEHLO_RSQRT", "RSQRT"},       {"STABLEHLO_SELECT", "SELECT_V2"},
    {"STABLEHLO_SUBTRACT", "SUB"}, {"STABLEHLO_TANH", "TANH"},
};

}  // namespace

void register_hlo_names(Registry& registry) {
  for (const Name& name : kNames) {
    const Kernel kernel = registry.find(name.builtin);
    registry.add(name.stablehlo, kernel.prepare, kernel.sparse_input);
  }
}

}  // namespace subgraft
