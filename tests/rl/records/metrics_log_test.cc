#include "rl/records/metrics_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "rl/records/tensorboard_events.h"

namespace cohort::rl {
namespace {

using nlohmann::json;
using testing::HasSubstr;

StepMetrics Row(int step) {
  StepMetrics metrics;
  metrics.step = step;
  metrics.phase = "grpo";
  metrics.loss = step / 3.0;
  metrics.rewards["format"] = {0.5, 0, 1};
  return metrics;
}

class MetricsLogTest : public testing::Test {
 protected:
  std::string File(const std::string& name) { return base::ReadFile(folder_.path() / name); }
  base::TemporaryFolder folder_;
};

TEST_F(MetricsLogTest, RowsReadBackAsTheyWereWritten) {
  MetricsLog log(folder_.path(), nullptr);
  for (int step = 1; step <= 3; ++step) log.Append(Row(step));
  const auto rows = MetricsLog::Read(folder_.path());
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2], MetricsRow(Row(3))) << "doubles survive exactly";
}

TEST_F(MetricsLogTest, AResumedRunWritesTheSameFiles) {
  json positions;
  {
    MetricsLog log(folder_.path(), nullptr);
    log.Append(Row(1));
    log.AppendSample({{"step", 1}, {"completion", "a"}});
    positions = json::parse(log.Sync().dump());  // as it goes through a checkpoint
    log.Append(Row(2));
    log.AppendSample({{"step", 2}, {"completion", "lost"}});
  }
  MetricsLog resumed(folder_.path(), positions);
  resumed.Append(Row(2));
  resumed.AppendSample({{"step", 2}, {"completion", "b"}});

  base::TemporaryFolder straight;
  MetricsLog log(straight.path(), nullptr);
  log.Append(Row(1));
  log.AppendSample({{"step", 1}, {"completion", "a"}});
  log.Append(Row(2));
  log.AppendSample({{"step", 2}, {"completion", "b"}});
  EXPECT_EQ(File("metrics.jsonl"), base::ReadFile(straight.path() / "metrics.jsonl"));
  EXPECT_EQ(File("samples.jsonl"), base::ReadFile(straight.path() / "samples.jsonl"));
  EXPECT_EQ(resumed.Sync(), log.Sync());
}

TEST_F(MetricsLogTest, AFreshStartForgetsWhatWasThere) {
  { MetricsLog(folder_.path(), nullptr).Append(Row(1)); }
  MetricsLog log(folder_.path(), nullptr);
  EXPECT_EQ(File("metrics.jsonl"), "");
}

TEST_F(MetricsLogTest, AFileShorterThanTheCheckpointSaysIsRefused) {
  json positions;
  {
    MetricsLog log(folder_.path(), nullptr);
    log.Append(Row(1));
    positions = log.Sync();
  }
  std::filesystem::resize_file(folder_.path() / "metrics.jsonl", 5);
  try {
    MetricsLog log(folder_.path(), positions);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("metrics.jsonl has 5 bytes, the checkpoint expects "));
  }
}

TEST_F(MetricsLogTest, BrokenTextInASampleDoesNotStopTheRun) {
  MetricsLog log(folder_.path(), nullptr);
  log.AppendSample({{"step", 1}, {"completion", "\xff\xfe"}});
  EXPECT_THAT(File("samples.jsonl"), HasSubstr("\xEF\xBF\xBD"));
}

TEST_F(MetricsLogTest, ANestedNumberBecomesAScalarNamedByItsPath) {
  MetricsLog log(folder_.path(), nullptr);
  log.Append(Row(4));
  const std::string events = File("events.out.tfevents.0.cohort");
  EXPECT_THAT(events, HasSubstr("rewards/format/mean"));
  EXPECT_THAT(events, testing::Not(HasSubstr("grpo")));
}

// Files of this process may not grow beyond `bytes` while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(AppendFile, ADiskThatFillsUpLeavesWholeRowsOnly) {
  base::TemporaryFolder folder;
  AppendFile file(folder.path() / "rows", 0);
  file.Append("row 1\n");
  bool failed = false;
  {
    FileSizeLimit limit(10);  // room for a part of the second row
    try {
      file.Append("row 2\n");
    } catch (const Error& error) {
      failed = error.code() == ErrorCode::kEnvironment;
    }
  }
  EXPECT_TRUE(failed);
  EXPECT_EQ(base::ReadFile(folder.path() / "rows"), "row 1\n");
  file.Append("row 2\n");
  EXPECT_EQ(base::ReadFile(folder.path() / "rows"), "row 1\nrow 2\n");
}

}  // namespace
}  // namespace cohort::rl
