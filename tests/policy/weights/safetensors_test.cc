// The rules that a safetensors file has to keep, one test each.

#include "policy/weights/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "tests/policy/refused_file.h"

namespace cohort::policy {
namespace {

std::string WithHeader(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + std::string(data_bytes, '\0');
}

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
         "],\"data_offsets\":[" + offsets + "]}";
}

std::string ErrorOf(const std::string& bytes) { return ErrorOfFile<SafetensorsFile>(bytes); }

std::string ErrorOfTensors(const std::string& entries, size_t data_bytes) {
  return ErrorOf(WithHeader("{" + entries + "}", data_bytes));
}

TEST(SafetensorsRules, ATensorCoversItsBytes) {
  EXPECT_EQ(ErrorOfTensors(Entry("a", "F32", "2", "0,8") + "," + Entry("b", "U8", "", "8,9"), 9),
            "no error");
}

TEST(SafetensorsRules, AFileIsLongEnoughForAHeadersLength) {
  EXPECT_EQ(ErrorOf("1234567"), "only 7 bytes, expected a safetensors header");
}

TEST(SafetensorsRules, AHeaderEndsInsideTheFile) {
  std::string file = WithHeader("{}", 0);
  file[0] = 3;
  EXPECT_EQ(ErrorOf(file), "offset 0: a header of 3 bytes, expected at most 2");
}

TEST(SafetensorsRules, AHeaderHasAtMostAHundredMegabytes) {
  const base::TemporaryFolder folder;
  const std::string path = folder.Write("f", WithHeader("{}", 0));
  std::filesystem::resize_file(path, 200'000'000);  // sparse
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const uint64_t length = 100'000'001;
  file.write(reinterpret_cast<const char*>(&length), 8);
  file.close();
  try {
    const SafetensorsFile read(path);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("100000001 bytes, expected at most 100000000"),
              std::string::npos)
        << error.what();
  }
}

TEST(SafetensorsRules, AHeaderIsAJsonObject) {
  EXPECT_EQ(ErrorOf(WithHeader("[]", 0)), "the header is not a JSON object");
  EXPECT_EQ(ErrorOf(WithHeader("{\"a\"", 0)).rfind("the header is not JSON", 0), 0u);
}

TEST(SafetensorsRules, AHeaderIsNestedAtMostEightDeep) {
  const std::string deep = std::string(9, '[') + std::string(9, ']');
  EXPECT_EQ(ErrorOf(WithHeader("{\"__metadata__\":" + deep + "}", 0)),
            "the header's JSON is nested deeper than 8");
  const std::string deeper = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_EQ(ErrorOf(WithHeader("{\"__metadata__\":" + deeper + "}", 0)),
            "the header's JSON is nested deeper than 8");
}

TEST(SafetensorsRules, ANameComesOnce) {
  EXPECT_EQ(ErrorOfTensors(Entry("a", "U8", "1", "0,1") + "," + Entry("a", "U8", "1", "1,2"), 2),
            "the header names 'a' twice");
}

TEST(SafetensorsRules, ATensorHasDtypeShapeAndOffsets) {
  EXPECT_EQ(ErrorOfTensors("\"a\":{\"dtype\":\"F32\",\"shape\":[1]}", 4),
            "tensor a: expected an object with dtype, shape and two data_offsets in the header");
}

TEST(SafetensorsRules, ADtypeIsKnown) {
  EXPECT_EQ(ErrorOfTensors(Entry("a", "F3", "1", "0,4"), 4), "tensor a: unknown dtype 'F3'");
}

TEST(SafetensorsRules, AShapeHasNoNegativeAndNoFractionalSize) {
  EXPECT_EQ(ErrorOfTensors(Entry("a", "U8", "-1", "0,1"), 1),
            "tensor a: -1 where a non-negative whole number was expected");
  EXPECT_EQ(ErrorOfTensors(Entry("a", "U8", "1.5", "0,1"), 1),
            "tensor a: 1.5 where a non-negative whole number was expected");
}

TEST(SafetensorsRules, AShapesProductDoesNotOverflow) {
  EXPECT_EQ(ErrorOfTensors(Entry("a", "F32", "4294967296,4294967296", "0,0"), 0),
            "tensor a: the product of its shape overflows");
}

TEST(SafetensorsRules, AShapeHasAtMostEightDimensions) {
  EXPECT_EQ(ErrorOfTensors(Entry("a", "U8", "1,1,1,1,1,1,1,1,1", "0,1"), 1),
            "tensor a: more than 8 dimensions in its shape");
}

TEST(SafetensorsRules, OffsetsSpanTheBytesOfTheShape) {
  EXPECT_EQ(ErrorOfTensors(Entry("a", "F32", "2", "0,4"), 4),
            "tensor a: data_offsets [0,4] do not span the 8 bytes of its shape");
  EXPECT_EQ(ErrorOfTensors(Entry("a", "F32", "1", "4,0"), 4),
            "tensor a: data_offsets [4,0] do not span the 4 bytes of its shape");
}

TEST(SafetensorsRules, TensorsFollowEachOther) {
  const std::string first = Entry("a", "U8", "2", "0,2") + ",";
  EXPECT_EQ(ErrorOfTensors(first + Entry("b", "U8", "1", "3,4"), 4),
            "tensor b begins at offset 3 of the data, expected 2");
  EXPECT_EQ(ErrorOfTensors(first + Entry("b", "U8", "2", "1,3"), 3),
            "tensor b begins at offset 1 of the data, expected 2");
}

TEST(SafetensorsRules, TensorsEndWithTheFile) {
  EXPECT_EQ(ErrorOfTensors(Entry("a", "U8", "2", "0,2"), 1),
            "tensor a ends at offset 2 of the data, but the file holds 1 bytes of data");
  EXPECT_EQ(ErrorOfTensors(Entry("a", "U8", "2", "0,2"), 3),
            "the file holds 3 bytes of data, but its tensors cover 2");
}

TEST(SafetensorsRules, ATensorThatIsNotThereIsNamedWithTheNearest) {
  const base::TemporaryFolder folder;
  const SafetensorsFile file(
      folder.Write("f", WithHeader("{" + Entry("weight", "U8", "1", "0,1") + "}", 1)));
  try {
    file.View("weights");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no tensor weights; did you mean 'weight'?"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace cohort::policy
