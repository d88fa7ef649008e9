// StableHLO's ops that are TFLite's under another name. LiteRT reads them, but has no kernel for them.
#include <iterator>

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
  Kernel kernels[std::size(kNames)];  // all found before the first is added: find() needs what is sorted
  for (size_t i = 0; i < std::size(kNames); ++i) kernels[i] = registry.find(kNames[i].builtin);
  for (size_t i = 0; i < std::size(kNames); ++i)
    registry.add(kNames[i].stablehlo, kernels[i].prepare, kernels[i].sparse_input);
}

}  // namespace subgraft
