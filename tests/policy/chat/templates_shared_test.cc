// Templates of released models with renderings by Jinja2, read where they lie beside the clone.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/durable_file.h"
#include "base/error.h"
#include "policy/chat/chat_template.h"

namespace cohort::policy {
namespace {

using Json = nlohmann::ordered_json;

TEST(SharedChatTemplates, RenderWhatJinja2Renders) {
  const std::filesystem::path folder =
      std::filesystem::path(COHORT_SOURCE_DIR) / "../shared/data/chat_templates";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  std::ifstream file(folder / "golden.jsonl");
  int compared = 0;
  for (std::string line; std::getline(file, line); ++compared) {
    const Json row = Json::parse(line);
    const ChatTemplate chat(base::ReadFile(folder / row["template"].get<std::string>()));
    const Json variables = {{"bos_token", row["bos_token"]}, {"eos_token", row["eos_token"]}};
    const auto render = [&] {
      return chat.Render(row["messages"], row["add_generation_prompt"], variables);
    };
    if (row.contains("error")) {
      EXPECT_THROW(render(), Error) << row["template"];
    } else {
      EXPECT_EQ(render(), row["text"].get<std::string>()) << row["template"];
    }
  }
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace cohort::policy
