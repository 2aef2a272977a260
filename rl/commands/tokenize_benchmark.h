#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "policy/tokenizer/tokenizer.h"

namespace cohort::rl {

struct TokenizeBenchmark {
  // UTF-8; every line that is not empty is a text of its own. Empty: generated English word
  // problems.
  std::string file;
  int passes = 5;  // over the texts; the fastest counts
};

// On one thread, by its CPU time, so that other programs do not count. Gives {"texts", "bytes",
// "tokens", "encode_cold_tokens_per_s", "encode_warm_tokens_per_s", "decode_tokens_per_s"}: cold,
// every text meets an empty word cache; warm, the cache holds what the pass before left in it.
// Errors: kEnvironment for a file that cannot be read, kUsage for one without text.
nlohmann::json RunTokenizeBenchmark(const policy::Tokenizer& tokenizer,
                                    const TokenizeBenchmark& benchmark);

}  // namespace cohort::rl
