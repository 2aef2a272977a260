#include "rl/journal/journal.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <set>

#include "base/durable_file.h"
#include "base/error.h"
#include "rl/journal/entry_writer.h"

namespace cohort::rl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kStep[] = "step";
constexpr char kEvaluation[] = "eval";

// Names have equal length, so that the order of names is that of steps.
std::string NameOf(const char* kind, int64_t step) {
  char name[64];
  std::snprintf(name, sizeof(name), "%s-%08" PRId64 ".jsonl.zst", kind, step);
  return name;
}

bool IsEntry(const std::string& name) {
  return (name.starts_with(kStep) || name.starts_with(kEvaluation)) && name.ends_with(".zst");
}

// Named by its checksum.
std::string RecipeName(const std::string& text) {
  char name[64];
  std::snprintf(name, sizeof(name), "recipe-%016" PRIx64 ".json", base::Checksum(text));
  return name;
}

}  // namespace

Journal::Journal(const fs::path& run_folder, const proto::Recipe& recipe, const json& ledger)
    : folder_(JournalFolder(run_folder)),
      mode_(recipe.output().journal()),
      max_bytes_(uint64_t(recipe.output().journal_mib()) << 20) {
  if (!ledger.is_null()) LoadLedger(ledger);
  RemoveOthers();
  if (mode_ != proto::Output::JOURNAL_OFF) KeepRecipe(recipe);
}

Journal::~Journal() {
  if (writing_.valid()) writing_.wait();
}

void Journal::LoadLedger(const json& ledger) {
  for (const json& file : ledger.at("files")) {
    files_.push_back({file.at(0).get<std::string>(), file.at(1).get<uint64_t>()});
  }
  dropped_steps_ = ledger.at("dropped_steps").get<int64_t>();
}

void Journal::RemoveOthers() const {
  std::set<std::string> listed;
  for (const File& file : files_) listed.insert(file.name);
  std::vector<fs::path> others;
  std::error_code none;  // no folder: nothing in it
  for (const auto& entry : fs::directory_iterator(folder_, none)) {
    const std::string name = entry.path().filename().string();
    const bool left_over = name.ends_with(".tmp");
    if (left_over || (IsEntry(name) && !listed.contains(name))) others.push_back(entry.path());
  }
  for (const fs::path& path : others) fs::remove(path, none);
}

// Without `output`, which changes no step.
void Journal::KeepRecipe(proto::Recipe recipe) {
  recipe.clear_output();
  std::string text;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  const auto printed = google::protobuf::util::MessageToJsonString(recipe, &text, options);
  COHORT_CHECK(printed.ok(), "a recipe is printed as JSON");
  text = json::parse(text).dump(2) + "\n";  // in order of keys, which Protobuf's maps have not
  recipe_file_ = RecipeName(text);
  std::error_code failed;
  fs::create_directories(folder_, failed);
  if (failed) {
    throw Error(ErrorCode::kEnvironment,
                "cannot create " + folder_.string() + ": " + failed.message());
  }
  if (!fs::exists(folder_ / recipe_file_)) base::WriteFileDurably(folder_ / recipe_file_, text);
}

void Journal::Append(JournalEntry entry) {
  if (mode_ == proto::Output::JOURNAL_OFF) return;
  entry.mode = mode_;
  entry.recipe = recipe_file_;
  entry.platform = ThisPlatform();
  const std::string name = NameOf(kStep, entry.step);
  Write(name, [entry = std::move(entry)](CompressedFile* file) { WriteEntry(entry, file); });
}

void Journal::Append(JournalEvaluation evaluation) {
  if (mode_ == proto::Output::JOURNAL_OFF) return;
  const std::string name = NameOf(kEvaluation, evaluation.step);
  Write(name, [evaluation = std::move(evaluation), mode = mode_](CompressedFile* file) {
    WriteEvaluation(evaluation, mode, file);
  });
}

void Journal::Write(const std::string& name, std::function<void(CompressedFile*)> write) {
  Wait();
  unwritten_ = [this, name, write = std::move(write)] {
    CompressedFile file(folder_ / name);
    write(&file);
    Count(name, file.Commit());
  };
  writing_ = std::async(std::launch::async, [this] { WriteUnwritten(); });
}

void Journal::WriteUnwritten() {
  unwritten_();
  unwritten_ = nullptr;
}

void Journal::Count(const std::string& name, uint64_t bytes) {
  std::erase_if(files_, [&](const File& file) { return file.name == name; });  // written anew
  files_.push_back({name, bytes});
  uint64_t total = 0;
  for (const File& file : files_) total += file.bytes;
  auto kept = files_.begin();
  for (; total > max_bytes_ && kept + 1 != files_.end(); ++kept) {
    total -= kept->bytes;
    dropped_steps_ += kept->name.starts_with(kStep) ? 1 : 0;
    std::error_code none;  // one that a run killed since has dropped already
    fs::remove(folder_ / kept->name, none);
  }
  files_.erase(files_.begin(), kept);
}

void Journal::Wait() {
  if (writing_.valid()) return writing_.get();
  if (unwritten_) WriteUnwritten();  // it has failed, and said so: there may be space again
}

json Journal::Sync() {
  Wait();
  json files = json::array();
  for (const File& file : files_) files.push_back({file.name, file.bytes});
  return {{"files", files}, {"dropped_steps", dropped_steps_}};
}

int64_t Journal::dropped_steps() {
  Wait();
  return dropped_steps_;
}

fs::path JournalFolder(const fs::path& run_folder) { return run_folder / "journal"; }

fs::path JournalFile(const fs::path& run_folder, int64_t step) {
  return JournalFolder(run_folder) / NameOf(kStep, step);
}

proto::Recipe ReadJournalRecipe(const fs::path& run_folder, const std::string& name) {
  const fs::path path = JournalFolder(run_folder) / fs::path(name).filename();
  const std::string text = base::ReadFile(path);
  proto::Recipe recipe;
  if (RecipeName(text) != name ||
      !google::protobuf::util::JsonStringToMessage(text, &recipe).ok()) {
    throw Error(ErrorCode::kEnvironment, path.string() + " is not what the run wrote");
  }
  return recipe;
}

}  // namespace cohort::rl
