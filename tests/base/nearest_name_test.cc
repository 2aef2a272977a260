#include "base/nearest_name.h"

#include <gtest/gtest.h>

namespace cohort::base {
namespace {

const std::vector<std::string> kNames = {"learning_rate", "weight_decay", "warmup_steps"};

TEST(NearestName, FindsATypo) { EXPECT_EQ(NearestName("learnng_rate", kNames), "learning_rate"); }

TEST(NearestName, OffersNothingForAnUnrelatedWord) { EXPECT_EQ(DidYouMean("zebra", kNames), ""); }

}  // namespace
}  // namespace cohort::base
