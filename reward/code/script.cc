#include "reward/code/script.h"

#include <filesystem>

#include "base/durable_file.h"

namespace cohort::reward::judge {

std::string ReadScript(const std::string& name) {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  return base::ReadFile(beside / "judge" / name);
}

std::string ReadScripts(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += ReadScript(name);
  return text;
}

}  // namespace cohort::reward::judge
