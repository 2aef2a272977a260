// json_schema: the completion is JSON that fits a schema.

#include "reward/structured/json_schema.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reward/registry.h"
#include "reward/structured/json_text.h"
#include "reward/text/answer_text.h"
#include "reward/text/fenced_blocks.h"

namespace cohort::reward {
namespace {

// The file of the option `path`, which may be nothing that is read without end.
std::string ReadSchemaFile(const Options& options) {
  constexpr size_t kMaxBytes = 1 << 20;
  const std::string path = options.RequiredText("path");
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  struct stat status = {};
  const bool is_file = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  std::string text(kMaxBytes + 1, '\0');
  size_t size = 0;
  for (ssize_t got = 1; is_file && got > 0 && size<text.size(); size += got> 0 ? got : 0) {
    got = read(fd, text.data() + size, text.size() - size);
  }
  if (fd >= 0) close(fd);
  if (!is_file) options.Fail("option 'path' is '" + path + "', which is no file that can be read");
  if (size > kMaxBytes) options.Fail("the file '" + path + "' is larger than 1 MiB");
  text.resize(size);
  return text;
}

// The completion's one JSON value: the whole of it, else its last fenced block.
std::optional<nlohmann::json> ReadValue(std::string_view text) {
  text = Trim(text);
  if (auto whole = ParseJsonText(text)) return whole;
  if (const auto block = FencedCode(text, {"json", "jsonc", "json5"})) {
    return ParseJsonText(Trim(*block));
  }
  constexpr std::string_view kFence = "```";  // both on one line, which is no block of Markdown
  if (text.size() < 2 * kFence.size() || !text.starts_with(kFence) || !text.ends_with(kFence)) {
    return std::nullopt;
  }
  text = text.substr(kFence.size(), text.size() - 2 * kFence.size());
  if (text.starts_with("json")) text.remove_prefix(4);
  return ParseJsonText(Trim(text));
}

class JsonSchemaGrader final : public Grader {
 public:
  explicit JsonSchemaGrader(const Options& options) : column_(options.Text("column", "schema")) {
    if (options.Has("schema") && options.Has("path")) {
      options.Fail("only one of the options 'schema' and 'path' may be given");
    }
    if (!options.Has("schema") && !options.Has("path")) return;
    const std::string text =
        options.Has("schema") ? options.Text("schema", "") : ReadSchemaFile(options);
    const auto json = ParseJsonText(text);
    if (!json.has_value()) options.Fail("the schema is not JSON");
    schema_ = std::make_unique<JsonSchema>(*json);
  }

  Grade Score(const Sample& sample, const Budget& budget) const override {
    std::unique_ptr<JsonSchema> own;
    if (schema_ == nullptr) {
      const nlohmann::json column = JsonColumn(sample.columns_json(), column_);
      if (!column.is_object() && !column.is_boolean()) {
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
    const auto value = ReadValue(*text);
    if (!value.has_value()) return {0, STATUS_OK, "not JSON: " + Quote(Trim(*text))};
    const JsonSchema::Result result = (own != nullptr ? *own : *schema_).Check(*value, budget);
    switch (result.outcome) {
      case JsonSchema::Validity::kValid:
        return {1, STATUS_OK, ""};
      case JsonSchema::Validity::kEndless:
        return Failed(STATUS_UNPARSEABLE, result.why);
      case JsonSchema::Validity::kTooMuchWork:
        return Failed(STATUS_TIMEOUT, result.why);
      case JsonSchema::Validity::kInvalid:
        break;
    }
    return {0, STATUS_OK, result.why};
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
           {"path", "or: a file that holds it", /*trusted_only=*/true},
           {"column", "or: the dataset column that holds it (default schema)"}},
          [](const Options& options) { return std::make_unique<JsonSchemaGrader>(options); }};
}

}  // namespace cohort::reward
