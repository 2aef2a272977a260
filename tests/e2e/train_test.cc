// Whole runs of the `cohort` program on a tiny recipe: killed, stopped, resumed, misused.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/e2e/tiny_run.h"

namespace cohort {
namespace {

using TrainTest = TinyRun;

// Counts children that ended. Unlike the time on the wall it is the same on a busy machine.
double ProcessorSecondsOfChildren() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST_F(TrainTest, SixStepsEqualThreeStepsAKillAndThreeMore) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  for (const char* interval : {"output.checkpoint_every=1", "output.checkpoint_every=3"}) {
    const std::string out = std::string("killed") + interval[std::strlen(interval) - 1];
    {
      ChildProcess child(Command(out, {interval}), folder_ / (out + ".log"));
      ASSERT_TRUE(WaitForRows(out, 5)) << Log(out);  // start, 2 sft, eval, 1 grpo
      child.Signal(SIGKILL);
      EXPECT_EQ(child.Wait(milliseconds(5000)), -SIGKILL);
    }
    ASSERT_EQ(Run(out, {interval}), 0) << Log(out);
    EXPECT_NE(Log(out).find("resuming after step"), std::string::npos) << Log(out);
    ExpectSameRun("straight", out);
  }
}

TEST_F(TrainTest, ACompletionIsStreamedAsItIsPrintedWhole) {
  ASSERT_EQ(Run("short", {"rounds[0].steps=1", "rounds[1].steps=1"}), 0) << Log("short");
  const std::string model = folder_ / "short" / "checkpoints" / "step-2" / "model";
  for (const char* seed : {"1", "2"}) {  // bytes, many of them no UTF-8
    std::vector<std::string> command = {
        "generate", "--model", model, "--prompt", "1+1=", "--seed", seed, "--max-tokens", "40"};
    ASSERT_EQ(RunCommand("whole", command), 0) << Log("whole");
    command.push_back("--stream");
    ASSERT_EQ(RunCommand("streamed", command), 0) << Log("streamed");
    EXPECT_EQ(Log("streamed"), Log("whole"));
    EXPECT_GT(Log("whole").size(), 20u);
  }
}

TEST_F(TrainTest, ARunOfAdaptersGoesOnToTheSameAndExportsThemAddedAndAlone) {
  always_ = {"lora.rank=2", "lora.targets=[q_proj, o_proj, down_proj]", "output.keep=10"};
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  {
    ChildProcess child(Command("killed"), folder_ / "killed.log");
    ASSERT_TRUE(WaitForRows("killed", 5)) << Log("killed");
    child.Signal(SIGKILL);
    EXPECT_EQ(child.Wait(milliseconds(5000)), -SIGKILL);
  }
  ASSERT_EQ(Run("killed"), 0) << Log("killed");
  ExpectSameRun("straight", "killed");

  const fs::path step = folder_ / "straight" / "checkpoints" / "step-6";
  EXPECT_TRUE(fs::exists(step / "model" / "adapter" / "adapter_config.json"));
  const std::string state = base::ReadFile(step / "state.tensors");
  EXPECT_NE(state.find("policy/model.layers.0.self_attn.q_proj.lora_A.weight"), std::string::npos);
  EXPECT_NE(state.find("mlp.experts.3.down_proj.lora_B.weight"), std::string::npos);
  EXPECT_EQ(state.find("policy/model.layers.0.self_attn.q_proj.weight"), std::string::npos);
  // The first policy with the last adapters added is the last export, bit for bit.
  const std::string first = folder_ / "straight" / "checkpoints" / "step-0" / "model";
  ASSERT_EQ(RunCommand("merge", {"convert", "--from", first, "--adapter",
                                 step / "model" / "adapter", "--to", folder_ / "merged"}),
            0)
      << Log("merge");
  const std::string last = Weights("straight", 6);
  EXPECT_TRUE(base::ReadFile(folder_ / "merged" / "model.safetensors") == last);
  EXPECT_FALSE(Weights("straight", 0) == last);
}

TEST_F(TrainTest, MultiTokenPredictionIsTrainedAndKeptOrDroppedOnExport) {
  always_ = {"model.scratch.kv_lora_rank=8", "model.scratch.mtp_layers=1", "output.keep=10"};
  ASSERT_EQ(Run("kept"), 0) << Log("kept");
  ASSERT_EQ(Run("dropped", {"mtp.export=drop"}), 0) << Log("dropped");
  ASSERT_EQ(Run("off", {"mtp.loss_weight=0", "mtp.export=drop"}), 0) << Log("off");
  for (const Json& row : Metrics("kept")) {
    EXPECT_EQ(row.contains("mtp_loss"), row.at("phase") == "sft") << row;
  }
  const fs::path kept = folder_ / "kept" / "checkpoints" / "step-6" / "model";
  const auto config = Json::parse(base::ReadFile(kept / "config.json"));
  EXPECT_EQ(config.at("num_nextn_predict_layers"), 1);
  EXPECT_NE(Weights("kept", 6).find("model.layers.2.eh_proj.weight"), std::string::npos);
  EXPECT_EQ(Weights("dropped", 6).find("model.layers.2."), std::string::npos);
  // The rest is the same, and another than without the loss.
  ASSERT_EQ(RunCommand("convert",
                       {"convert", "--from", kept, "--to", folder_ / "converted", "--drop-mtp"}),
            0)
      << Log("convert");
  const std::string converted = base::ReadFile(folder_ / "converted" / "model.safetensors");
  EXPECT_TRUE(converted == Weights("dropped", 6));
  EXPECT_FALSE(Weights("dropped", 6) == Weights("off", 6));
  // An exported model goes on with its layers where asked to, and is refused where it has none.
  std::ofstream(folder_ / "tiny.yaml") << "name: more\ndata: {generator: addition}\n"
                                       << "model: {path: " << kept.string() << "}\n"
                                       << "rewards:\n  - {name: exact_answer}\n"
                                       << "rounds:\n  - {kind: sft, steps: 1}\n"
                                       << "eval: {problems: 4}\nrollout: {max_new_tokens: 4}\n";
  always_ = {"mtp.layers=load"};
  ASSERT_EQ(Run("more"), 0) << Log("more");
  EXPECT_NE(Weights("more", 1).find("model.layers.2.eh_proj.weight"), std::string::npos);
  EXPECT_EQ(Run("none", {"model.path=" + (folder_ / "converted").string()}), 2) << Log("none");
  EXPECT_NE(Log("none").find("has no multi-token-prediction layers"), std::string::npos);
}

TEST_F(TrainTest, CtrlCFinishesTheStepSavesAndSaysHowToGoOn) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  ChildProcess child(Command("stopped"), folder_ / "stopped.log");
  ASSERT_TRUE(WaitForRows("stopped", 3)) << Log("stopped");
  child.Signal(SIGINT);
  const auto status = child.Wait(kLimit);
  ASSERT_TRUE(status == 4) << Log("stopped");
  EXPECT_NE(Log("stopped").find("the same command goes on"), std::string::npos) << Log("stopped");
  ASSERT_EQ(Run("stopped"), 0) << Log("stopped");
  ExpectSameRun("straight", "stopped");
}

TEST_F(TrainTest, TheSameRecipeRunTwiceIsDoneAtOnce) {
  ASSERT_EQ(Run("done"), 0) << Log("done");
  const auto before = Metrics("done");
  EXPECT_EQ(Run("done"), 0) << Log("done");
  EXPECT_EQ(Metrics("done"), before);
}

TEST_F(TrainTest, AWorkerKilledInAStepIsReplacedAndTheRunIsTheSame) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  ChildProcess child(Command("hurt"), folder_ / "hurt.log");
  ASSERT_TRUE(WaitForRows("hurt", 4)) << Log("hurt");
  const pid_t worker = ChildNamed("cohort-rollout", child.pid());
  ASSERT_GT(worker, 0) << "no worker was there to kill";
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  const auto status = child.Wait(kLimit);
  ASSERT_TRUE(status == 0) << Log("hurt");
  ExpectSameRun("straight", "hurt");
}

TEST_F(TrainTest, AnUnknownKeyExitsWithTwoWithinASecondAndNamesTheNearest) {
  std::ofstream(folder_ / "tiny.yaml", std::ios::app) << "optimzer: {beta1: 0.8}\n";
  const double before = ProcessorSecondsOfChildren();
  EXPECT_EQ(Run("typo"), 2);
  EXPECT_LT(ProcessorSecondsOfChildren() - before, 1.0);
  EXPECT_NE(Log("typo").find("tiny.yaml:16"), std::string::npos) << Log("typo");
  EXPECT_NE(Log("typo").find("did you mean 'optimizer'?"), std::string::npos) << Log("typo");
}

TEST_F(TrainTest, RowsThatCannotBeReadAreLeftOutToldAndRecordedAndTheRunIsThatOfTheOthers) {
  const std::string recipe = base::ReadFile(folder_ / "tiny.yaml"),
                    source = "data: {generator: addition}\n";
  const auto with_rows = [&](const std::string& name, bool broken) {
    std::ofstream rows(folder_ / (name + ".jsonl"));
    for (int i = 0; i < 20; ++i) {
      rows << Json{{"prompt", std::to_string(i) + "+1="}, {"completion", std::to_string(i + 1)}}
           << "\n";
      if (broken && i == 11) rows << "{\"prompt\": \"1+\n{\"promt\":\"1+1=\"}\n";
    }
    std::string text = recipe;
    text.replace(text.find(source), source.size(),
                 "data: {train: " + (folder_ / (name + ".jsonl")).string() + "}\n");
    std::ofstream(folder_ / "tiny.yaml") << text;
  };
  with_rows("clean", false);
  ASSERT_EQ(Run("clean"), 0) << Log("clean");
  with_rows("broken", true);
  EXPECT_EQ(Run("broken"), 2);
  EXPECT_NE(Log("broken").find("broken.jsonl:13: "), std::string::npos) << Log("broken");
  EXPECT_EQ(Run("broken", {"data.max_unreadable_share=0.05"}), 2);
  EXPECT_NE(Log("broken").find("2 of 22 rows"), std::string::npos) << Log("broken");
  ASSERT_EQ(Run("broken", {"data.max_unreadable_share=0.1", "--fresh"}), 0) << Log("broken");
  EXPECT_NE(Log("broken").find("2 of 22 rows"), std::string::npos) << Log("broken");
  const Json provenance = Json::parse(base::ReadFile(folder_ / "broken/provenance.json"));
  EXPECT_EQ(provenance.at("unreadable_rows").at(0).at("count"), 2) << provenance;
  ExpectSameSteps("clean", "broken", 6);
}

TEST_F(TrainTest, ACheckpointThatWasAlteredFallsBackToTheOneBefore) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  ASSERT_EQ(Run("altered"), 0) << Log("altered");
  const fs::path newest = folder_ / "altered/checkpoints/step-6";
  for (const auto& entry : fs::directory_iterator(newest)) {
    if (entry.path().filename() != "state.tensors") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fs::file_size(entry.path()) / 2));
    file.put('\x55');
    file.put('\xaa');
  }
  ASSERT_EQ(Run("altered"), 0) << Log("altered");
  EXPECT_NE(Log("altered").find("state.tensors"), std::string::npos) << Log("altered");
  ExpectSameRun("straight", "altered");
}

TEST_F(TrainTest, TwoRunsInOneFolderAreRefused) {
  always_ = {"rounds[1].steps=1000"};  // the first must not be done before the second looks
  ChildProcess child(Command("shared"), folder_ / "shared.log");
  ASSERT_TRUE(WaitForRows("shared", 1)) << Log("shared");
  ChildProcess second(Command("shared"), folder_ / "second.log");
  EXPECT_EQ(second.Wait(milliseconds(10'000)), 3) << base::ReadFile(folder_ / "second.log");
}

}  // namespace
}  // namespace cohort
