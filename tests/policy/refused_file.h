#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "base/temporary_folder.h"

namespace cohort::policy {

// The message that refuses a file of these bytes, without its path.
template <class File>
std::string ErrorOfFile(const std::string& bytes) {
  const base::TemporaryFolder folder;
  const std::string path = folder.Write("f", bytes);
  try {
    const File file(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return std::string(error.what()).substr(path.size() + 2);
  }
  return "no error";
}

}  // namespace cohort::policy
