#pragma once

// The `post_processor` of tokenizer.json: TemplateProcessing, ByteLevel (which changes offsets
// only) and Sequence of these.

#include <cstdint>
#include <vector>

#include "base/json_place.h"

namespace cohort::policy {

// The tokens put around a text when special tokens are asked for.
struct AroundText {
  std::vector<int32_t> before, after;
};

// kUsage naming the kind that is not supported, or an id that is not below `vocab_size`.
AroundText ParsePostProcessor(const base::JsonPlace& json, int32_t vocab_size);

}  // namespace cohort::policy
