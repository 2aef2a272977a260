#pragma once

#include "policy/gguf/file.h"
#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {

// The tokenizer in a GGUF file: byte-level BPE or SentencePiece's BPE. kUsage naming the key that
// is damaged or not supported.
TokenizerSpec GgufTokenizer(const GgufFile& file);

}  // namespace cohort::policy
