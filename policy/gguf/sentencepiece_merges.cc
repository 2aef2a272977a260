#include "policy/gguf/sentencepiece_merges.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/utf8.h"
#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {
namespace {

struct Cut {
  float score;
  int32_t left, right;
  int32_t left_length, right_length;  // characters
};

// The cuts of one token into two tokens, in order of their ids.
std::vector<Cut> CutsOf(const std::string& token, float score, const TokenIndex& index) {
  std::vector<size_t> starts;  // of characters
  for (size_t at = 0; at < token.size(); at += base::DecodeUtf8(token, at).length) {
    starts.push_back(at);
  }
  std::vector<Cut> cuts;
  for (size_t i = 1; i < starts.size(); ++i) {
    const auto left = index.find(token.substr(0, starts[i]));
    const auto right = index.find(token.substr(starts[i]));
    if (left == index.end() || right == index.end()) continue;
    cuts.push_back({score, left->second, right->second, static_cast<int32_t>(i),
                    static_cast<int32_t>(starts.size() - i)});
  }
  std::sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) {
    return std::pair(a.left, a.right) < std::pair(b.left, b.right);
  });
  return cuts;
}

}  // namespace

std::vector<std::pair<int32_t, int32_t>> MergesOfScores(const std::vector<std::string>& tokens,
                                                        const std::vector<float>& scores) {
  COHORT_CHECK(tokens.size() == scores.size(), "one score for each token");
  const TokenIndex index = IndexTokens(tokens);
  std::vector<Cut> cuts;
  for (size_t id = 0; id < tokens.size(); ++id) {
    const std::vector<Cut> of_token = CutsOf(tokens[id], scores[id], index);
    cuts.insert(cuts.end(), of_token.begin(), of_token.end());
  }
  std::stable_sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) {
    return std::tuple(a.score, a.left_length, a.right_length) >
           std::tuple(b.score, b.left_length, b.right_length);
  });
  std::vector<std::pair<int32_t, int32_t>> merges;
  for (const Cut& cut : cuts) merges.emplace_back(cut.left, cut.right);
  return merges;
}

}  // namespace cohort::policy
