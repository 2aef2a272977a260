#pragma once

// The standard library's errors about files, in words for a person.

#include <exception>
#include <string>
#include <system_error>

namespace cohort::base {

// An exception's message. Of a std::filesystem error, which reads "filesystem error: cannot create
// directories: Not a directory [a/b]", a sentence with operation, paths and reason.
std::string MessageOf(const std::exception& error);

// Advice about a system error of files; "" where there is nothing to advise.
const char* HintOf(const std::error_code& code);

}  // namespace cohort::base
