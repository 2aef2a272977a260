#pragma once

#include <cstdint>
#include <string>

#include "policy/tokenizer/tokenizer.h"

namespace cohort::policy {

// Decodes ids one by one. A character whose bytes are spread over several ids comes out whole with
// the last of them; bytes that begin no character come out as they are. What all calls return,
// joined, is what Tokenizer::Decode gives for all ids. Owned by one thread; `tokenizer` outlives
// it.
class TokenStream {
 public:
  explicit TokenStream(const Tokenizer& tokenizer, bool skip_special = false)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}

  std::string Push(int32_t id);
  std::string Finish();  // the bytes of a character that was cut short

 private:
  const Tokenizer& tokenizer_;
  const bool skip_special_;
  bool begun_ = false;
  std::string pending_;
};

}  // namespace cohort::policy
