// SKIP_GRAM: the word sequences of a text, with words left out.
#include <algorithm>
#include <string_view>

#include "core/strings.h"
#include "kernels/families.h"
#include "runtime/arena.h"
#include "runtime/resources.h"

namespace subgraft {
namespace {

using Words = std::vector<std::string_view>;

struct Grams {
  int64_t size = 0;   // words of a gram
  int64_t skips = 0;  // words that may be left out between two neighbours
  bool shorter_too = false;
};

// What isspace says in the C locale.
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// As TFLite's: a word that follows a space at the very beginning keeps it, and is lost where another space ends it.
Words words_of(std::string_view text) {
  Words words;
  size_t begin = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    if (!is_space(text[i])) continue;
    if (i > begin && !is_space(text[begin])) words.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  if (begin < text.size()) words.push_back(text.substr(begin));
  return words;
}

// Gathers grams, and refuses to gather more than memory may be taken for.
class Collection {
 public:
  explicit Collection(const Words& words) : words_(words) {}

  void add(const std::vector<int64_t>& chosen) {
    std::string gram;
    for (const int64_t word : chosen) {
      if (!gram.empty()) gram += ' ';
      gram += words_[static_cast<size_t>(word)];
    }
    bytes_ += static_cast<int64_t>(sizeof(gram) + gram.size());
    if (bytes_ > limit_)
      throw RunError(concat("the grams of ", words_.size(), " words take more than the memory limit of ", limit_,
                            " bytes; raise SUBGRAFT_MAX_BYTES if that is intended"));
    grams_.push_back(std::move(gram));
  }

  std::vector<std::string> take() { return std::move(grams_); }

 private:
  const Words& words_;
  std::vector<std::string> grams_;
  const int64_t limit_ = memory_limit();
  int64_t bytes_ = 0;
};

// In TFLite's order: of each choice of first words all longer grams, then it alone.
std::vector<std::string> grams_of(const Words& words, const Grams& g) {
  Collection grams(words);
  const auto count = static_cast<int64_t>(words.size());
  if (count < g.size || g.size <= 0) return {};
  std::vector<int64_t> chosen{0};
  std::vector<int64_t> next{1};  // the word to try behind each of the chosen ones
  while (!chosen.empty()) {
    const auto size = static_cast<int64_t>(chosen.size());
    // Where only whole grams count, enough words must be left for the rest.
    const int64_t end = g.shorter_too ? count : count - (g.size - size - 1);
    if (size < g.size && next.back() < end && next.back() - chosen.back() <= g.skips + 1) {
      chosen.push_back(next.back()++);
      next.push_back(chosen.back() + 1);
      continue;
    }
    if (g.shorter_too || size == g.size) grams.add(chosen);
    const int64_t last = chosen.back();
    chosen.pop_back();
    next.pop_back();
    if (chosen.empty() && last + 1 < count) {
      chosen.push_back(last + 1);
      next.push_back(last + 2);
    }
  }
  return grams.take();
}

// The grams of the latest run, kept until the next one.
struct Latest {
  std::shared_ptr<const Strings> grams;
};

Compute prepare_skip_gram(Preparation& p) {
  p.expect(1, 1);
  p.require(p.output(0).dtype == DType::string, "output is ", dtype_name(p.output(0).dtype), ", not string");
  const auto texts = p.value<TextId>(0);
  p.require(!texts.empty(), "input has no string");
  const Grams wanted{p.options().integer("ngram_size"), p.options().integer("max_skip_size"),
                     p.options().boolean("include_all_ngrams")};
  p.has_effects();
  const auto text = Strings::find(texts[0].id);
  if (!text) throw RunError("a string is gone, or never was one");
  const auto grams = Strings::keep(grams_of(words_of(*text), wanted));
  p.require(grams->size() <= INT32_MAX, grams->size(), " grams");
  p.set_output(0, Shape{static_cast<int32_t>(grams->size())});
  const auto latest = p.resources().kept<Latest>(&p.options(), [] { return std::make_shared<Latest>(); });
  return [grams, latest](const Invocation& v) {
    latest->grams = grams;
    for (int64_t i = 0; i < grams->size(); ++i) v.out<int64_t>(0)[i] = grams->id(i);
  };
}

}  // namespace

void register_skip_gram(Registry& registry) { registry.add("SKIP_GRAM", prepare_skip_gram); }

}  // namespace subgraft
