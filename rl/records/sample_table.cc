#include "rl/records/sample_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/printable_text.h"
#include "base/utf8.h"

namespace cohort::rl {
namespace {

int Columns(const std::string& printable) {
  return static_cast<int>(base::CountCharacters(printable));
}

struct TableColumn {
  std::string title;
  bool right = false;  // numbers
  int width = 0;
  bool flexible = false;  // texts share what the other columns leave
};

using Cells = std::vector<std::string>;

void AppendRow(const std::vector<TableColumn>& columns, const Cells& cells, std::string* out) {
  std::string line;
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string cell = Shorten(cells[i], columns[i].width);
    const std::string padding(std::max(0, columns[i].width - Columns(cell)), ' ');
    line += (i == 0 ? "" : "  ") + (columns[i].right ? padding + cell : cell + padding);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  *out += line + "\n";
}

std::string Table(std::vector<TableColumn> columns, const std::vector<Cells>& rows, int width) {
  int fixed = 2 * (static_cast<int>(columns.size()) - 1), flexible = 0;
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i].width = Columns(columns[i].title);
    for (const Cells& cells : rows) {
      columns[i].width = std::max(columns[i].width, Columns(Shorten(cells[i], width)));
    }
    (columns[i].flexible ? flexible : fixed) += columns[i].flexible ? 1 : columns[i].width;
  }
  // Texts get equal shares; one that needs less leaves its rest to those after it.
  int left = std::max(width - fixed, 8 * flexible);
  std::vector<TableColumn*> texts;
  for (TableColumn& column : columns) {
    if (column.flexible) texts.push_back(&column);
  }
  std::stable_sort(texts.begin(), texts.end(),
                   [](auto* a, auto* b) { return a->width < b->width; });
  for (TableColumn* column : texts) {
    column->width = std::min(column->width, left / flexible);
    left -= column->width;
    --flexible;
  }
  std::string out;
  Cells titles;
  for (const TableColumn& column : columns) titles.push_back(column.title);
  AppendRow(columns, titles, &out);
  for (const Cells& cells : rows) AppendRow(columns, cells, &out);
  out.pop_back();
  return out;
}

std::string Number(double value, const char* format) {
  if (!std::isfinite(value)) return "failed";
  char buffer[48];
  std::snprintf(buffer, sizeof(buffer), format, value);
  return buffer;
}

// Every reward of any row; the weighted sum, the last of each, comes last.
Cells RewardNames(const std::vector<SampleRow>& rows) {
  Cells names;
  for (const bool last : {false, true}) {
    for (const SampleRow& row : rows) {
      for (size_t i = 0; i < row.rewards.size(); ++i) {
        const std::string& name = row.rewards[i].first;
        if ((i + 1 == row.rewards.size()) != last) continue;
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
      }
    }
  }
  return names;
}

// Empty where the reward does not apply to the row.
std::string RewardCell(const SampleRow& row, const std::string& name) {
  for (const auto& [reward, score] : row.rewards) {
    if (reward == name) return Number(score, "%.3g");
  }
  return "";
}

}  // namespace

std::string Shorten(const std::string& text, int columns) {
  std::string line;  // everything so far
  size_t cut = 0;    // its length where "..." would still fit
  int used = 0;
  for (size_t at = 0; at < text.size();) {
    const base::CodePoint point = base::DecodeUtf8(text, at);
    const std::string shown = base::PrintableText(std::string_view(text).substr(at, point.length),
                                                  base::LineBreaks::kEscaped);
    used += Columns(shown);
    if (used > columns) {
      const std::string dots = "...";
      return line.substr(0, cut) + dots.substr(0, std::clamp(columns, 0, 3));
    }
    line += shown;
    if (used <= columns - 3) cut = line.size();
    at += point.length;
  }
  return line;
}

std::string SampleTable(const std::vector<SampleRow>& rows, int width) {
  if (rows.empty()) return "";
  std::vector<TableColumn> columns = {{"prompt", false, 0, true}, {"completion", false, 0, true}};
  const Cells reward_names = RewardNames(rows);
  for (const std::string& name : reward_names) columns.push_back({name, true});
  for (const char* title : {"advantage", "tokens", "finish", "version"}) {
    columns.push_back({title, std::strcmp(title, "finish") != 0});
  }
  std::vector<Cells> cells;
  for (const SampleRow& row : rows) {
    Cells line = {row.prompt, row.completion};
    for (const std::string& name : reward_names) line.push_back(RewardCell(row, name));
    line.push_back(Number(row.advantage, "%+.2f"));
    line.push_back(std::to_string(row.tokens));
    line.push_back(row.finish_reason);
    line.push_back(std::to_string(row.policy_version));
    cells.push_back(std::move(line));
  }
  return Table(std::move(columns), cells, width);
}

std::string BeforeAfterTable(const std::vector<BeforeAfterRow>& rows, int width) {
  if (rows.empty()) return "";
  std::vector<Cells> cells;
  for (const BeforeAfterRow& row : rows) {
    cells.push_back({row.prompt, row.answer, row.before, row.before_correct ? "right" : "wrong",
                     row.after, row.after_correct ? "right" : "wrong"});
  }
  return Table({{"prompt", false, 0, true},
                {"answer", false, 0, true},
                {"before", false, 0, true},
                {"", false},
                {"after", false, 0, true},
                {"", false}},
               cells, width);
}

}  // namespace cohort::rl
