// json_schema: the completion is JSON that fits a schema.

#include "reward/text/json_schema.h"

#include "base/durable_file.h"
#include "reward/registry.h"
#include "reward/text/answer_text.h"
#include "reward/text/json_text.h"

namespace cohort::reward {
namespace {

// The body of the last fenced block, or the whole text where there is none.
std::string_view LastBlock(std::string_view text) {
  constexpr std::string_view kFence = "```";
  const size_t end = text.rfind(kFence);
  if (end == std::string_view::npos || end == 0) return text;
  const size_t start = text.rfind(kFence, end - 1);
  if (start == std::string_view::npos) return text;
  const std::string_view block = text.substr(start + kFence.size(), end - start - kFence.size());
  const size_t line = block.find('\n');  // behind the language's name
  return line == std::string_view::npos ? block : block.substr(line + 1);
}

class JsonSchemaGrader final : public Grader {
 public:
  explicit JsonSchemaGrader(const Options& options) : column_(options.Text("column", "schema")) {
    if (options.Has("schema") && options.Has("path")) {
      options.Fail("only one of the options 'schema' and 'path' may be given");
    }
    if (!options.Has("schema") && !options.Has("path")) return;
    const std::string text = options.Has("schema") ? options.Text("schema", "")
                                                   : base::ReadFile(options.RequiredText("path"));
    const auto json = ParseJsonText(text);
    if (!json.has_value()) options.Fail("the schema is not JSON");
    schema_ = std::make_unique<JsonSchema>(*json);
  }

  Grade Score(const Sample& sample, const Budget& budget) const override {
    std::unique_ptr<JsonSchema> own;
    if (schema_ == nullptr) {
      const nlohmann::json column = JsonColumn(sample.columns_json(), column_);
      if (!column.is_object()) {
        return Failed(STATUS_UNPARSEABLE,
                      "no schema: neither an option nor a column '" + column_ + "'");
      }
      try {
        own = std::make_unique<JsonSchema>(column);
      } catch (const std::exception& error) {
        return Failed(STATUS_UNPARSEABLE, error.what());
      }
    }
    const auto text = AfterReasoning(sample.completion());
    if (!text.has_value()) return {0, STATUS_OK, "the reasoning was never closed"};
    const auto value = ParseJsonText(Trim(LastBlock(*text)));
    if (!value.has_value()) return {0, STATUS_OK, "not JSON: " + Quote(Trim(LastBlock(*text)))};
    const JsonSchema::Result result = (own != nullptr ? *own : *schema_).Check(*value, budget);
    if (result.outcome == JsonSchema::Validity::kTooMuchWork) {
      return Failed(STATUS_TIMEOUT, result.why);
    }
    return {result.outcome == JsonSchema::Validity::kValid ? 1.0 : 0.0, STATUS_OK, result.why};
  }

 private:
  std::string column_;
  std::unique_ptr<JsonSchema> schema_;  // null: every sample has its own
};

}  // namespace

RewardInfo JsonSchemaReward() {
  return {"json_schema",
          "1 when the completion (its last fenced block, where it has one) is JSON that fits the "
          "schema, else 0",
          {{"schema", "the schema, as JSON"},
           {"path", "or: a file that holds it"},
           {"column", "or: the dataset column that holds it (default schema)"}},
          [](const Options& options) { return std::make_unique<JsonSchemaGrader>(options); }};
}

}  // namespace cohort::reward
