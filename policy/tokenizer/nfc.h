#pragma once

#include <string>
#include <string_view>

namespace cohort::policy {

// Unicode's normalization form C of valid UTF-8, as Hugging Face tokenizers computes it: marks that
// came after the Unicode of its tables neither compose nor change places.
std::string ComposeNfc(std::string_view text);

// True only when ComposeNfc would change nothing; quick, and may say false then too.
bool IsPlainlyNfc(std::string_view text);

}  // namespace cohort::policy
