#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cohort::reward {

// A reward's options as text, read by type. Every reader throws Error{kUsage} that names the
// reward, the option, what was found and what was expected.
class Options {
 public:
  Options(std::string reward, std::map<std::string, std::string> values)
      : reward_(std::move(reward)), values_(std::move(values)) {}

  bool Has(const std::string& name) const { return values_.contains(name); }
  const std::map<std::string, std::string>& values() const { return values_; }

  std::string Text(const std::string& name, const std::string& fallback) const;
  std::string RequiredText(const std::string& name) const;
  bool Flag(const std::string& name, bool fallback) const;  // true / false
  int64_t Integer(const std::string& name, int64_t fallback, int64_t min, int64_t max) const;
  double Real(const std::string& name, double fallback, double min, double max) const;
  std::string OneOf(const std::string& name, const std::string& fallback,
                    const std::vector<std::string>& choices) const;

  [[noreturn]] void Fail(const std::string& what, const std::string& hint = "") const;

 private:
  std::string reward_;
  std::map<std::string, std::string> values_;
};

}  // namespace cohort::reward
