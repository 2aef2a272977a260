#include "policy/chat/chat_template.h"

#include <gtest/gtest.h>

#include <ctime>
#include <fstream>
#include <random>

#include "base/error.h"

namespace cohort::policy {
namespace {

using Json = nlohmann::ordered_json;

std::string Render(const std::string& source, const Json& variables = Json::object()) {
  return ChatTemplate(source).Render(Json::array(), false, variables);
}

std::string ErrorOf(const std::string& source) {
  try {
    Render(source);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what();
  }
  return "(no error)";
}

TEST(ChatTemplate, RendersWhatJinja2Renders) {
  std::ifstream file(COHORT_GOLDEN_DIR "/policy_text/templates.jsonl");
  int compared = 0;
  for (std::string line; std::getline(file, line); ++compared) {
    const Json row = Json::parse(line);
    const auto render = [&] {
      return ChatTemplate(row["source"].get<std::string>())
          .RenderMarked(row["messages"], row["add_generation_prompt"], row["variables"]);
    };
    if (row.contains("error")) {
      EXPECT_THROW(render(), Error) << row["name"];
      continue;
    }
    const ChatTemplate::MarkedText marked = render();
    EXPECT_EQ(marked.text, row["text"].get<std::string>()) << row["name"];
    Json generated = Json::array();
    for (const ChatTemplate::GeneratedSpan& span : marked.generated) {
      generated.push_back(marked.text.substr(span.begin, span.end - span.begin));
    }
    EXPECT_EQ(generated, row["generated"]) << row["name"];
  }
  EXPECT_EQ(compared, 38);
}

// A few hundred expressions and statements of Jinja2 and of Python's texts and numbers: equal to
// Jinja2, refused by both, or refused here by name ("unsupported"); never another text.
TEST(ChatTemplate, SpeaksJinja2sDialectOrRefuses) {
  std::ifstream file(COHORT_GOLDEN_DIR "/policy_text/dialect.jsonl");
  std::string line;
  std::getline(file, line);
  const Json messages = Json::parse(line).at("messages");
  int compared = 0;
  for (; std::getline(file, line); ++compared) {
    const Json row = Json::parse(line);
    const std::string source = "{% set m = messages[0] %}" + row["template"].get<std::string>();
    const auto render = [&] {
      return ChatTemplate(source).Render(messages, false, Json::object());
    };
    if (row["text"].is_null() || row.contains("unsupported")) {
      EXPECT_THROW(render(), Error) << row["template"];
      continue;
    }
    std::string text;
    EXPECT_NO_THROW(text = render()) << row["template"];
    EXPECT_EQ(text, row["text"].get<std::string>()) << row["template"];
  }
  EXPECT_EQ(compared, 327);
}

TEST(ChatTemplate, LeavesOutNullFieldsOfMessagesAndNamesReasoning) {
  const Json messages =
      Json::parse(R"([{"role": "a", "content": null, "reasoning": "r", "tool_calls": null}])");
  EXPECT_EQ(ChatTemplate("{{ messages[0].content is defined }}{{ messages[0].reasoning_content }}"
                         "{{ messages[0].thinking }}")
                .Render(messages, false, Json::object()),
            "Falserr");
}

TEST(ChatTemplate, ADeferredOneRefusesWhereItIsUsed) {
  const auto chat = ChatTemplate::Deferred("{% if %}");
  EXPECT_EQ(chat->source(), "{% if %}");
  EXPECT_THROW(chat->Render(Json::array(), false, Json::object()), Error);
  EXPECT_THROW(chat->marks_generation(), Error);
}

TEST(ChatTemplate, TellsWhetherItMarksWhatTheAssistantWrote) {
  EXPECT_TRUE(ChatTemplate("{% generation %}{% endgeneration %}").marks_generation());
  EXPECT_FALSE(ChatTemplate("generation").marks_generation());
}

TEST(ChatTemplate, RefusesToSayWhereAGenerationBlockInsideAMacroIs) {
  const ChatTemplate chat(
      "{% macro m() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ m() }}");
  EXPECT_EQ(chat.Render(Json::array(), false, Json::object()), "x");
  EXPECT_THROW(chat.RenderMarked(Json::array(), false, Json::object()), Error);
}

TEST(ChatTemplate, KnowsTheDay) {
  const std::time_t now = std::time(nullptr);
  char today[32];
  std::tm local{};
  std::strftime(today, sizeof(today), "%d %b %Y", localtime_r(&now, &local));
  EXPECT_EQ(Render("{{ strftime_now('%d %b %Y') }}"), today);
}

TEST(ChatTemplate, SaysTheLineOfWhatIsWrong) {
  EXPECT_EQ(ErrorOf("a\n{% nonesuch %}"), "chat template line 2: tag 'nonesuch' is not known here");
  EXPECT_EQ(ErrorOf("\n\n{{ 1 + }}"),
            "chat template line 3: expected a value, found the end of the tag");
  EXPECT_EQ(ErrorOf("{{ raise_exception('turns must alternate') }}"),
            "chat template line 1: turns must alternate");
  EXPECT_EQ(ErrorOf("{% if true %}\n{{ x.y }}{% endif %}"),
            "chat template line 2: 'x' is undefined");
}

TEST(ChatTemplate, SourceIsBounded) {
  EXPECT_EQ(ErrorOf(std::string(5 << 20, 'x')), "chat template: 6 MiB; expected at most 4");
}

TEST(ChatTemplate, StepsAreBounded) {
  const std::string nested =
      "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}"
      "{% endfor %}{% endfor %}";
  EXPECT_EQ(ErrorOf(nested), "chat template line 1: the template takes more than 1000000 steps");
  EXPECT_NE(ErrorOf("{{ range(1000000000) }}").find("a range is longer than"), std::string::npos);
}

TEST(ChatTemplate, TextIsBounded) {
  const std::string doubling =
      "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}"
      "{% endfor %}";
  EXPECT_NE(ErrorOf(doubling).find("makes more text than 16777216 bytes"), std::string::npos);
  EXPECT_NE(ErrorOf("{{ 'x' * 999999999999 }}").find("more text than"), std::string::npos);
  EXPECT_NE(ErrorOf("{{ [0] * 999999999999 }}"), "(no error)");
  EXPECT_NE(ErrorOf("{{ 'x'.ljust(999999999999) }}").find("expected a width"), std::string::npos);
  EXPECT_NE(ErrorOf("{{ '%999999999d' % 1 }}"), "(no error)");
  EXPECT_NE(ErrorOf("{{ 2 ** 99999999 }}"), "(no error)");
}

TEST(ChatTemplate, RecursionIsBounded) {
  EXPECT_NE(ErrorOf("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").find("too deeply"),
            std::string::npos);
  EXPECT_NE(ErrorOf("{{ " + std::string(100000, '(') + "1" + std::string(100000, ')') + " }}"),
            "(no error)");
  EXPECT_NE(ErrorOf("{{ " + std::string(100000, '-') + "1 }}"), "(no error)");
  std::string ifs;
  for (int i = 0; i < 5000; ++i) ifs += "{% if 1 %}";
  EXPECT_NE(ErrorOf(ifs), "(no error)");
}

TEST(ChatTemplate, AnswersDamagedTemplatesWithAnErrorOrAText) {
  std::ifstream file(COHORT_GOLDEN_DIR "/policy_text/templates.jsonl");
  std::mt19937 random(11);
  for (std::string line; std::getline(file, line);) {
    const Json row = Json::parse(line);
    for (int round = 0; round < 40; ++round) {
      std::string source = row["source"];
      for (int edit = 0; edit < 3; ++edit) {
        static constexpr char kPieces[] = "{}%-+'\"()[]|.,:=~ \nabif\xC3";
        const size_t at = random() % source.size();
        if (random() % 2 == 0) source.erase(at, 1 + random() % 5);
        source.insert(std::min(at, source.size()), 1, kPieces[random() % (sizeof(kPieces) - 1)]);
      }
      try {
        ChatTemplate(source).Render(row["messages"], true, row["variables"]);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kUsage) << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace cohort::policy
