#include "base/temporary_folder.h"

#include <stdlib.h>

#include <fstream>

#include "base/error.h"

namespace cohort::base {

TemporaryFolder::TemporaryFolder() {
  const auto pattern = std::filesystem::temp_directory_path() / "cohort-XXXXXX";
  std::string path = pattern.string();
  if (mkdtemp(path.data()) == nullptr) {
    throw Error(ErrorCode::kEnvironment, "cannot make a folder like " + pattern.string());
  }
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::Write(const std::string& name, const std::string& content) const {
  const std::filesystem::path path = path_ / name;
  std::ofstream file(path, std::ios::binary);
  if (!file.write(content.data(), static_cast<std::streamsize>(content.size())).flush()) {
    throw Error(ErrorCode::kEnvironment, "cannot write " + path.string());
  }
  return path.string();
}

}  // namespace cohort::base
