#include "base/setting_names.h"

#include <cctype>

namespace cohort::base {
namespace {

bool IsOfKey(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// A key that is part of a longer one, or of a file's name, is another.
bool IsWhole(const std::string& text, size_t at, size_t length) {
  const char before = at == 0 ? ' ' : text[at - 1];
  const size_t end = at + length;
  const char after = end < text.size() ? text[end] : ' ';
  const char next = end + 1 < text.size() ? text[end + 1] : ' ';
  return !IsOfKey(before) && before != '.' && before != '/' && before != '-' && !IsOfKey(after) &&
         !(after == '.' && IsOfKey(next));
}

void Replace(const SettingName& name, std::string* text) {
  for (size_t at = text->find(name.key); at != std::string::npos; at = text->find(name.key, at)) {
    if (!IsWhole(*text, at, name.key.size())) {
      ++at;
      continue;
    }
    text->replace(at, name.key.size(), name.flag);
    at += name.flag.size();
    if (at < text->size() && (*text)[at] == '=' && name.flag.starts_with("--")) (*text)[at] = ' ';
  }
}

}  // namespace

std::string InOwnWords(std::string text, std::span<const SettingName> names) {
  for (const bool with_value : {true, false}) {  // the longer ones first
    for (const SettingName& name : names) {
      const bool has_value = name.key.find('=') != std::string::npos;
      if (has_value == with_value) Replace(name, &text);
    }
  }
  return text;
}

Error InOwnWords(const Error& error, std::span<const SettingName> names) {
  return Error(error.code(), InOwnWords(std::string(error.what()), names),
               InOwnWords(error.hint(), names));
}

}  // namespace cohort::base
