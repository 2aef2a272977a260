// Any bytes as tokenizer.json: a tokenizer that works, or an error that blames the file.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "policy/tokenizer/tokenizer_spec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cohort::Error;
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = cohort::policy::ParseTokenizer(text, "tokenizer.json");
    for (const char* sample :
         {"", "Hello  12345\n<|im_end|> ", "e\xCC\x81 \xE4\xBD\xA0 \xFF\xF0\x9F",
          "\xE2\x96\x81\xE2\x96\x81the cat"}) {
      tokenizer->Decode(tokenizer->Encode(sample, /*add_bos=*/true));
    }
  } catch (const Error& error) {
    if (error.code() != cohort::ErrorCode::kUsage) throw;
  }
  return 0;
}
