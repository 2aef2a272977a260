#include "base/file_fault.h"

#include <filesystem>
#include <string_view>

namespace cohort::base {

std::string MessageOf(const std::exception& any) {
  const auto* files = dynamic_cast<const std::filesystem::filesystem_error*>(&any);
  if (files == nullptr) return any.what();
  const std::filesystem::filesystem_error& error = *files;
  std::string what = error.what();
  constexpr std::string_view kPrefix = "filesystem error: ";
  if (what.starts_with(kPrefix)) what.erase(0, kPrefix.size());
  const std::string reason = error.code().message();
  const size_t colon = what.find(": " + reason);
  std::string action = colon == std::string::npos ? "use files" : what.substr(0, colon);
  if (!action.starts_with("cannot ")) action = "cannot read (" + action + ")";
  if (!error.path1().empty()) action += " " + error.path1().string();
  if (!error.path2().empty()) action += " -> " + error.path2().string();
  return action + ": " + reason;
}

const char* HintOf(const std::error_code& code) {
  if (code == std::errc::no_space_on_device) {
    return "free some space; nothing that was saved before is lost";
  }
  if (code == std::errc::permission_denied || code == std::errc::operation_not_permitted ||
      code == std::errc::read_only_file_system) {
    return "choose a path that you may use, or change its permissions";
  }
  if (code == std::errc::not_a_directory || code == std::errc::is_a_directory ||
      code == std::errc::file_exists) {
    return "a file stands where a folder is needed, or the other way round; choose another path";
  }
  if (code == std::errc::filename_too_long) return "choose a shorter path";
  if (code == std::errc::too_many_symbolic_link_levels) {
    return "its symbolic links lead in a circle";
  }
  if (code == std::errc::no_such_file_or_directory) return "check the path; it may have vanished";
  return "";
}

}  // namespace cohort::base
