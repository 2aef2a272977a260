#include "policy/tokenizer/post_processor.h"

namespace cohort::policy {
namespace {

AroundText ParseTemplate(const base::JsonPlace& json, int32_t vocab_size) {
  AroundText around;
  bool after_text = false;
  const base::JsonPlace pieces = json.Member("single", "a list");
  for (size_t i = 0; i < pieces.ListSize(); ++i) {
    const base::JsonPlace piece = pieces.Entry(i);
    if (piece.Optional("Sequence")) {
      after_text = true;
      continue;
    }
    const std::string name = piece.Member("SpecialToken", "an object").Text("id");
    const base::JsonPlace ids =
        json.Member("special_tokens", "an object").Member(name, "an object").Member("ids", "ids");
    for (size_t j = 0; j < ids.ListSize(); ++j) {
      (after_text ? around.after : around.before)
          .push_back(static_cast<int32_t>(ids.Entry(j).Integer(0, vocab_size - 1)));
    }
  }
  return around;
}

AroundText Parse(const base::JsonPlace& json, int32_t vocab_size, int depth) {
  const std::string type = json.Text("type");
  if (type == "TemplateProcessing") return ParseTemplate(json, vocab_size);
  AroundText around;
  if (type == "Sequence" && depth < 8) {
    const base::JsonPlace parts = json.Member("processors", "a list");
    for (size_t i = 0; i < parts.ListSize(); ++i) {
      const AroundText part = Parse(parts.Entry(i), vocab_size, depth + 1);
      around.before.insert(around.before.begin(), part.before.begin(), part.before.end());
      around.after.insert(around.after.end(), part.after.begin(), part.after.end());
    }
  } else if (type != "ByteLevel") {
    json.Fail("of type '" + type + "' is not supported",
              "supported: ByteLevel, TemplateProcessing and Sequence of these");
  }
  return around;
}

}  // namespace

AroundText ParsePostProcessor(const base::JsonPlace& json, int32_t vocab_size) {
  return json.value().is_null() ? AroundText{} : Parse(json, vocab_size, 0);
}

}  // namespace cohort::policy
