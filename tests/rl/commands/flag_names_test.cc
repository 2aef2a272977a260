#include "rl/commands/flag_names.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "rl/commands/commands.h"
#include "rl/recipe/recipe.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::string HelpOf(const std::string& command) {
  const std::map<std::string, std::function<int(int, char**)>> run = {
      {"generate", RunGenerate}, {"score", RunScore},  {"tokenize", RunTokenize},
      {"eval", RunEval},         {"grade", RunGrade},  {"convert", RunConvert},
      {"bench", RunBench},       {"reward", RunReward}};
  std::vector<std::string> words;
  std::istringstream in(command + " --help");
  for (std::string word; in >> word;) words.push_back(word);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  testing::internal::CaptureStdout();
  EXPECT_EQ(run.at(words.front())(static_cast<int>(argv.size()), argv.data()), 0);
  return testing::internal::GetCapturedStdout();
}

std::string Said(const std::string& command, const std::string& hint) {
  return base::InOwnWords(hint, FlagNames(command));
}

TEST(FlagNames, EveryFlagIsOneOfItsCommand) {
  for (const std::string& command : CommandsWithFlagNames()) {
    const std::string help = HelpOf(command);
    for (const base::SettingName& name : FlagNames(command)) {
      if (!name.flag.starts_with("--")) continue;
      EXPECT_THAT(help, HasSubstr(name.flag)) << command;
    }
  }
}

TEST(FlagNames, AnErrorNamesTheFlagOfTheCommandAtHand) {
  const std::string cache = "raise rollout.kv_cache_mb or lower rollout.max_new_tokens";
  const std::string chat = "give plain text (data.chat=false), or a model with a template";
  const std::string column = "data.answer_field=NAME says which column it is";
  const std::string sandbox =
      "see cohort doctor; rollout.allow_weak_sandbox=true runs it all the same";
  const struct {
    const char* command;
    std::string hint, said;
  } cases[] = {
      {"generate", cache, "raise --kv-cache-mb or lower --max-tokens"},
      {"bench decode", cache, "raise --kv-cache-mb or lower --new-tokens"},
      {"bench step", cache, "raise --kv-cache-mb or lower --new-tokens"},
      {"eval", cache, "raise --kv-cache-mb or lower --max-tokens"},
      {"score", "shorten it, or raise rollout.kv_cache_mb", "shorten it, or raise --kv-cache-mb"},
      {"score", "set rollout.dtype=bfloat16, or use a smaller model",
       "set --dtype bfloat16, or use a smaller model"},
      {"tokenize", chat,
       "give plain text (no --chat and no 'messages'), or a model with a template"},
      {"eval", column, "--answer-field NAME says which column it is"},
      {"eval", "these are more than data.max_unreadable_share (0.1)",
       "these are more than --max-unreadable-share (0.1)"},
      {"grade", sandbox, "see cohort doctor; --allow-weak-sandbox runs it all the same"},
      {"bench grade", sandbox, "see cohort doctor; --allow-weak-sandbox runs it all the same"},
      {"convert", "model.upcycle is for dense models", "--upcycle is for dense models"},
      {"bench step", "rounds[0].group_size is 1; must be at least 2",
       "--group is 1; must be at least 2"},
      {"train", cache, cache},
      {"plan", cache, cache},
  };
  for (const auto& one : cases) EXPECT_EQ(Said(one.command, one.hint), one.said) << one.command;
}

TEST(FlagNames, WhatOnlyLooksLikeAKeyStays) {
  for (const char* text : {"runs/data.chat=false", "data.answer_fields", "my_data.answer_field",
                           "data.answer_field.jsonl", "x.data.answer_field"}) {
    EXPECT_EQ(Said("eval", text), text);
  }
}

// Keys of a recipe in the texts of rooms that commands without a recipe call.
TEST(FlagNames, EveryKeyThatARoomBelowNamesHasAFlagSomewhere) {
  std::set<std::string> keys, named;
  for (const RecipeValue& value : FlattenRecipe(WithDefaults({}))) keys.insert(value.key);
  for (const std::string& command : CommandsWithFlagNames()) {
    for (const base::SettingName& name : FlagNames(command)) {
      named.insert(name.key.substr(0, name.key.find('=')));
    }
  }
  const std::regex literal(R"re("(?:[^"\\]|\\.)*")re"), key(R"([a-z_]+\.[a-z_]+)");
  for (const char* room : {"policy", "rollout", "reward", "kernels"}) {
    for (const auto& file : fs::recursive_directory_iterator(fs::path(COHORT_SOURCE_DIR) / room)) {
      if (file.path().extension() != ".cc") continue;
      std::ostringstream source;
      source << std::ifstream(file.path()).rdbuf();
      const std::string text = source.str();
      for (std::sregex_iterator it(text.begin(), text.end(), literal), end; it != end; ++it) {
        const std::string words = it->str();
        for (std::sregex_iterator word(words.begin(), words.end(), key); word != end; ++word) {
          if (keys.contains(word->str())) {
            EXPECT_TRUE(named.contains(word->str())) << file.path() << " names " << word->str();
          }
        }
      }
    }
  }
  EXPECT_TRUE(keys.contains("rollout.kv_cache_mb")) << "the scan would find nothing";
}

}  // namespace
}  // namespace cohort::rl
