#include "policy/prompt_encoding.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

std::string ErrorOf(const char* line) {
  try {
    ReadTokenIds(json::parse(line), 100);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what();
  }
  return "(no error)";
}

TEST(ReadTokenIds, TakesEveryIdOfTheVocabulary) {
  EXPECT_EQ(ReadTokenIds(json::parse(R"({"ids": [0, 7, 99]})"), 100),
            (std::vector<int32_t>{0, 7, 99}));
  EXPECT_TRUE(ReadTokenIds(json::parse(R"({"ids": []})"), 100).empty());
}

TEST(ReadTokenIds, RefusesByNameWhatIsNoTokenId) {
  EXPECT_EQ(ErrorOf(R"({"ids": [1, 1.5]})"), "ids[1] is 1.5; expected an integer from 0 to 99");
  EXPECT_EQ(ErrorOf(R"({"ids": [1.0]})"), "ids[0] is 1.0; expected an integer from 0 to 99");
  EXPECT_EQ(ErrorOf(R"({"ids": [100]})"), "ids[0] is 100; expected an integer from 0 to 99");
  EXPECT_EQ(ErrorOf(R"({"ids": [-1]})"), "ids[0] is -1; expected an integer from 0 to 99");
  EXPECT_EQ(ErrorOf(R"({"ids": [4294967296]})"),
            "ids[0] is 4294967296; expected an integer from 0 to 99");
  EXPECT_EQ(ErrorOf(R"({"ids": [18446744073709551617]})"),
            "ids[0] is 1.8446744073709552e+19; expected an integer from 0 to 99");
  EXPECT_EQ(ErrorOf(R"({"ids": [true]})"), "ids[0] is true; expected an integer from 0 to 99");
  EXPECT_EQ(ErrorOf(R"({"ids": ["3"]})"), "ids[0] is \"3\"; expected an integer from 0 to 99");
  EXPECT_EQ(ErrorOf(R"({"ids": 3})"), "ids is 3; expected a list");
  EXPECT_EQ(ErrorOf(R"({"text": "x"})"), "ids is missing; expected a list of token ids");
}

}  // namespace
}  // namespace cohort::policy
