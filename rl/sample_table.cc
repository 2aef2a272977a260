#include "rl/sample_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace cohort::rl {
namespace {

// Length in bytes of the UTF-8 code point that starts at `at`; 0 when the bytes are not one.
size_t CodePointBytes(const std::string& text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t bytes = lead < 0x80                   ? 1
                       : lead >= 0xF0 && lead < 0xF5 ? 4
                       : lead >= 0xE0 && lead < 0xF0 ? 3
                       : lead >= 0xC2 && lead < 0xE0 ? 2
                                                     : 0;
  if (bytes == 0 || at + bytes > text.size()) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, beyond U+10FFFF.
  const auto next = bytes > 1 ? static_cast<unsigned char>(text[at + 1]) : 0;
  if ((lead == 0xE0 && next < 0xA0) || (lead == 0xED && next > 0x9F) ||
      (lead == 0xF0 && next < 0x90) || (lead == 0xF4 && next > 0x8F)) {
    return 0;
  }
  return bytes;
}

// What one code point (or broken byte) looks like on one line.
std::string Printable(const std::string& text, size_t at, size_t bytes) {
  char buffer[8];
  const auto lead = static_cast<unsigned char>(text[at]);
  if (bytes == 0) return "\xEF\xBF\xBD";
  if (lead == '\n') return "\\n";
  if (lead == '\t') return "\\t";
  // C1 controls (U+0080..U+009F) are C2 80..9F in UTF-8: some terminals obey them.
  const bool c1 = bytes == 2 && lead == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0;
  if (lead >= 0x20 && lead != 0x7F && !c1) return text.substr(at, bytes);
  std::snprintf(buffer, sizeof(buffer), "\\x%02x",
                c1 ? static_cast<unsigned char>(text[at + 1]) : lead);
  return buffer;
}

int Columns(const std::string& printable) {
  return static_cast<int>(std::count_if(printable.begin(), printable.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
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

}  // namespace

std::string Shorten(const std::string& text, int columns) {
  std::string line;  // everything so far
  size_t cut = 0;    // its length where "..." would still fit
  int used = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = CodePointBytes(text, at);
    const std::string shown = Printable(text, at, bytes);
    used += Columns(shown);
    if (used > columns) {
      const std::string dots = "...";
      return line.substr(0, cut) + dots.substr(0, std::clamp(columns, 0, 3));
    }
    line += shown;
    if (used <= columns - 3) cut = line.size();
    at += std::max<size_t>(bytes, 1);
  }
  return line;
}

std::string SampleTable(const std::vector<SampleRow>& rows, int width) {
  if (rows.empty()) return "";
  std::vector<TableColumn> columns = {{"prompt", false, 0, true}, {"completion", false, 0, true}};
  for (const auto& [name, score] : rows.front().rewards) columns.push_back({name, true});
  for (const char* title : {"advantage", "tokens", "finish", "version"}) {
    columns.push_back({title, std::strcmp(title, "finish") != 0});
  }
  std::vector<Cells> cells;
  for (const SampleRow& row : rows) {
    Cells line = {row.prompt, row.completion};
    for (size_t i = 0; i < rows.front().rewards.size(); ++i) {
      line.push_back(i < row.rewards.size() ? Number(row.rewards[i].second, "%.3g") : "");
    }
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
