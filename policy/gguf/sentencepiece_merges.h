#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cohort::policy {

// The merges that SentencePiece's BPE makes with tokens of these scores (one for each token): every
// two tokens that joined are a token, the highest score first. Among equal scores longer left
// halves, then longer right ones go first, as transformers orders them when it converts such a
// model. Left id, right id.
std::vector<std::pair<int32_t, int32_t>> MergesOfScores(const std::vector<std::string>& tokens,
                                                        const std::vector<float>& scores);

}  // namespace cohort::policy
