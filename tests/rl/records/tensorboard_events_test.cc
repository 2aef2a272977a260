#include "rl/records/tensorboard_events.h"

#include <gtest/gtest.h>

#include <bit>

#include "base/durable_file.h"

namespace cohort::rl {
namespace {

TEST(TensorboardEvents, TheChecksumIsTheOneOfRfc3720) {
  // CRC-32C of "123456789" (RFC 3720 appendix B.4 uses the same polynomial), then TFRecord's mask.
  EXPECT_EQ(MaskedCrc32c("123456789"), std::rotr(0xE3069283U, 15) + 0xA282EAD8U);
}

TEST(TensorboardEvents, RecordsEqualTensorboardsOwnByteForByte) {
  const std::string expected = base::ReadFile(COHORT_GOLDEN_DIR "/rl/two_events.tfevents");
  EXPECT_EQ(EventFileHeader(1.5) + ScalarEvent(7, 2.75, {{"loss", 0.25}, {"reward/format", -3.5}}),
            expected);
}

TEST(TensorboardEvents, AValueOfZeroIsWritten) {
  // Field 2 of Summary.Value, fixed32: tag byte 0x15, then four bytes of 0.0f.
  const std::string zero("\x15\0\0\0\0", 5);
  EXPECT_NE(ScalarEvent(7, 2.75, {{"entropy", 0.0}}).find(zero), std::string::npos);
}

}  // namespace
}  // namespace cohort::rl
