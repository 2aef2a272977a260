#include "reward/grader.h"

#include "base/utf8.h"

namespace cohort::reward {

Grade Failed(Status status, std::string detail) { return {0, status, std::move(detail)}; }

Grade Answered(bool right, std::string_view answer, std::string detail) {
  Grade grade = {right ? 1.0 : 0.0, STATUS_OK, std::move(detail)};
  grade.answer = std::string(answer);
  return grade;
}

std::vector<Grade> Grader::ScoreBatch(std::span<const Sample* const> samples,
                                      const Budget& budget) const {
  std::vector<Grade> grades;
  for (const Sample* sample : samples) grades.push_back(Score(*sample, budget.StartedAgain()));
  return grades;
}

const char* StatusName(Status status) {
  switch (status) {
    case STATUS_OK:
      return "ok";
    case STATUS_UNPARSEABLE:
      return "unparseable";
    case STATUS_TIMEOUT:
      return "timeout";
    case STATUS_MEMORY:
      return "memory";
    case STATUS_CRASH:
      return "crash";
    case STATUS_NOT_APPLICABLE:
      return "not_applicable";
    default:
      return "error";
  }
}

std::string Quote(std::string_view text) {
  constexpr size_t kMaxBytes = 80;
  std::string quoted = base::RepairUtf8(text.substr(0, kMaxBytes));
  for (char& c : quoted) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return "'" + quoted + (text.size() > kMaxBytes ? "...'" : "'");
}

}  // namespace cohort::reward
