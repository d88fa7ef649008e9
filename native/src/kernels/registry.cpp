#include <algorithm>

#include "kernels/families.h"

namespace subgraft {

void Registry::add(std::string_view op, Prepare prepare, int sparse_input) {
  entries_.push_back({std::string(op), {prepare, sparse_input}});  // builtin() sorts them
}

Kernel Registry::find(std::string_view op) const {
  auto place = std::lower_bound(entries_.begin(), entries_.end(), op,
                                [](const Entry& entry, std::string_view name) { return entry.op < name; });
  return place != entries_.end() && place->op == op ? place->kernel : Kernel{};
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) names.push_back(entry.op);
  return names;
}

const Registry& Registry::builtin() {
  static const Registry registry = [] {
    constexpr size_t kEnough = 512;
    Registry all;
    all.entries_.reserve(kEnough);
    register_activations(all);
    register_arithmetic(all);
    register_argmax_pooling(all);
    register_audio(all);
    register_batch_matmul(all);
    register_bitwise(all);
    register_comparison(all);
    register_complex(all);
    register_concatenation(all);
    register_conv(all);
    register_conv_3d(all);
    register_conversion(all);
    register_densify(all);
    register_depthwise_conv(all);
    register_detection(all);
    register_elementwise(all);
    register_embedding(all);
    register_fake_quant(all);
    register_fill(all);
    register_fully_connected(all);
    register_gather(all);
    register_hashtable(all);
    register_hlo_gather(all);
    register_hlo_scatter(all);
    register_hlo_windows(all);
    register_landmarks(all);
    register_log_softmax(all);
    register_lookup(all);
    register_lstm(all);
    register_matrices(all);
    register_more_arithmetic(all);
    register_normalization(all);
    register_numeric_verify(all);
    register_pad(all);
    register_perception(all);
    register_pooling(all);
    register_posenet(all);
    register_random(all);
    register_rearrange(all);
    register_reduction(all);
    register_reshape(all);
    register_resources(all);
    register_resize(all);
    register_rfft(all);
    register_rnn(all);
    register_rotation(all);
    register_scatter(all);
    register_search(all);
    register_segments(all);
    register_sequences(all);
    register_slice(all);
    register_skip_gram(all);
    register_softmax(all);
    register_stablehlo_pairs(all);
    register_suppression(all);
    register_svdf(all);
    register_transforms(all);
    register_transpose(all);
    register_transpose_conv(all);
    register_windows(all);
    const auto sort = [&] {
      std::sort(all.entries_.begin(), all.entries_.end(), [](const Entry& a, const Entry& b) { return a.op < b.op; });
    };
    sort();  // these look for the others
    register_hlo_names(all);
    sort();
    return all;
  }();
  return registry;
}

}  // namespace subgraft
