// The rules that a GGUF file has to keep, one test each.

#include "policy/gguf/file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "tests/policy/gguf/bytes.h"
#include "tests/policy/refused_file.h"

namespace cohort::policy {
namespace {

std::string ErrorOf(const std::string& bytes) { return ErrorOfFile<GgufFile>(bytes); }

void ExpectError(const std::string& bytes, const std::string& part) {
  const std::string error = ErrorOf(bytes);
  EXPECT_NE(error.find(part), std::string::npos) << error;
}

// One tensor of fp32 without metadata; `offset` in the data, of which there are `data_bytes`.
std::string OneTensor(const std::vector<uint64_t>& shape, uint64_t offset, size_t data_bytes,
                      uint32_t type = 0, const GgufBytes& metadata = {}) {
  std::string bytes = metadata.str(/*tensors=*/1);
  const auto put = [&](auto value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  put(uint64_t{1});
  bytes += "t";
  put(static_cast<uint32_t>(shape.size()));
  for (const uint64_t size : shape) put(size);
  put(type);
  put(offset);
  bytes.resize((bytes.size() + 31) / 32 * 32 + data_bytes);
  return bytes;
}

TEST(GgufRules, ATensorLiesInTheData) {
  EXPECT_EQ(ErrorOf(OneTensor({4, 2}, 0, 32)), "no error");
  ExpectError(OneTensor({4, 2}, 0, 31), "needs 32 bytes at offset 0 of the data");
  ExpectError(OneTensor({4, 2}, 32, 32), "needs 32 bytes at offset 32 of the data");
  ExpectError(OneTensor({4, 2}, ~uint64_t{31}, 32), "needs 32 bytes");
}

TEST(GgufRules, AFileBeginsWithItsMagicAndAKnownVersion) {
  ExpectError("GGML" + std::string(100, '\0'), "it does not start with 'GGUF'");
  std::string file = GgufBytes().str();
  file[4] = 4;
  ExpectError(file, "GGUF version 4 is not supported");
  ExpectError("GGUF", "expected 4 bytes of the version, but only 0 are left");
}

TEST(GgufRules, AStringEndsInsideTheFile) {
  GgufBytes bytes;
  bytes.Text("general.name", "a");
  std::string file = bytes.str();
  file.pop_back();
  ExpectError(file, "the length of a metadata string is 1, more than can be");
}

TEST(GgufRules, AnArrayHasNoMoreElementsThanTheFileHasBytes) {
  GgufBytes bytes;
  bytes.Integers("a", {1, 2});
  std::string file = bytes.str();
  file[file.size() - 9] = 0x7F;  // the top byte of the count
  ExpectError(file, "elements, more than can be");
}

TEST(GgufRules, ArraysAreNestedAtMostFourDeep) {
  ExpectError(GgufBytes().Nested("a", 5).str(), "metadata arrays are nested too deeply");
  EXPECT_EQ(ErrorOf(GgufBytes().Nested("a", 4).str()), "no error");
}

TEST(GgufRules, AMetadataKeyComesOnce) {
  GgufBytes bytes;
  bytes.Bool("a", true).Bool("a", false);
  ExpectError(bytes.str(), "metadata key 'a' appears twice");
}

TEST(GgufRules, AMetadataTypeIsKnown) {
  GgufBytes bytes;
  bytes.Bool("a", true);
  std::string file = bytes.str();
  file[file.size() - 5] = 13;
  ExpectError(file, "unknown metadata type 13");
}

TEST(GgufRules, ATensorHasOneToFourDimensions) {
  ExpectError(OneTensor({}, 0, 32), "has 0 dimensions; expected 1 to 4");
  ExpectError(OneTensor({1, 1, 1, 1, 1}, 0, 32), "has 5 dimensions; expected 1 to 4");
}

TEST(GgufRules, ATensorsShapeIsWhatTheFileCanHold) {
  ExpectError(OneTensor({0}, 0, 32), "has a dimension of 0");
  ExpectError(OneTensor({uint64_t{1} << 33, uint64_t{1} << 33}, 0, 32),
              "has a dimension of 8589934592, more than the file can hold");
}

TEST(GgufRules, ATensorsFormatIsKnown) {
  ExpectError(OneTensor({32}, 0, 128, /*type=*/10), "which is not supported");
}

TEST(GgufRules, QuantizedRowsAreWholeBlocks) {
  ExpectError(OneTensor({33}, 0, 128, /*type=*/8), "which are no whole blocks");
}

TEST(GgufRules, ATensorIsAligned) {
  ExpectError(OneTensor({4}, 4, 32), "begins at 4, which is not a multiple of 32");
  GgufBytes odd;
  odd.Integer("general.alignment", 24);
  ExpectError(OneTensor({4}, 0, 32, 0, odd), "general.alignment is 24; expected a power of two");
}

TEST(GgufRules, TypedMetadataIsRefusedByItsKey) {
  const base::TemporaryFolder folder;
  GgufBytes bytes;
  bytes.Text("a", "x").Bool("b", true);
  const GgufFile file(folder.Write("f", bytes.str()));
  EXPECT_EQ(file.String("a"), "x");
  EXPECT_THROW(file.Integer("a"), Error);
  EXPECT_THROW(file.Number("b"), Error);
  EXPECT_THROW(file.Bool("a", true), Error);
  EXPECT_THROW(file.String("c"), Error);
  EXPECT_EQ(file.String("c", "absent"), "absent");
}

// gguf-py's values of the same blocks.
TEST(GgufRules, BlocksOfMxfp4AreReadWithEveryScaleThatFp32Holds) {
  const auto golden =
      nlohmann::json::parse(base::ReadFile(std::string(COHORT_GOLDEN_DIR) + "/policy/mxfp4.json"));
  const auto blocks = golden["gguf"].get<std::vector<uint8_t>>();
  const auto expected = golden["values"].get<std::vector<float>>();
  std::vector<float> found(expected.size());
  Dequantize(GgufType::kMxfp4, blocks, found);
  EXPECT_EQ(found, expected);
  ExpectError(OneTensor({33}, 0, 128, /*type=*/39), "which are no whole blocks");
}

// What a converter made fp32 is the decimal of fewest digits that gives it.
TEST(GgufRules, ANumberOfFp32IsItsShortestDecimal) {
  const base::TemporaryFolder folder;
  GgufBytes bytes;
  bytes.Number("eps", 1e-6F).Number("factor", 8.0F).Number("scale", 0.1F).Number("none", NAN);
  const GgufFile file(folder.Write("f", bytes.str()));
  EXPECT_EQ(file.Number("eps"), 1e-6);
  EXPECT_EQ(file.Number("factor"), 8.0);
  EXPECT_EQ(file.Number("scale"), 0.1);
  EXPECT_TRUE(std::isnan(file.Number("none")));
}

}  // namespace
}  // namespace cohort::policy
