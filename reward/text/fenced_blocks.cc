#include "reward/text/fenced_blocks.h"

#include <algorithm>
#include <cctype>

namespace cohort::reward {
namespace {

struct Fence {
  char mark = 0;
  size_t length = 0;
  size_t indent = 0;
  std::string info;  // first word behind it, lower case
};

std::string FirstWord(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t{.");
  if (begin == std::string_view::npos) return "";
  const size_t end = std::min(text.find_first_of(" \t\r,}", begin), text.size());
  std::string word(text.substr(begin, end - begin));
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

// The fence that a line opens or closes.
std::optional<Fence> FenceOf(std::string_view line) {
  Fence fence;
  fence.indent = std::min(line.find_first_not_of(" \t"), line.size());
  line.remove_prefix(fence.indent);
  if (line.empty() || (line[0] != '`' && line[0] != '~')) return std::nullopt;
  fence.mark = line[0];
  fence.length = std::min(line.find_first_not_of(fence.mark), line.size());
  if (fence.length < 3) return std::nullopt;
  const std::string_view rest = line.substr(fence.length);
  if (fence.mark == '`' && rest.find('`') != std::string_view::npos) return std::nullopt;
  fence.info = FirstWord(rest);
  return fence;
}

std::string_view WithoutIndent(std::string_view line, size_t indent) {
  const size_t blanks = std::min(line.find_first_not_of(" \t"), line.size());
  return line.substr(std::min(indent, blanks));
}

}  // namespace

std::vector<FencedBlock> FencedBlocks(std::string_view text) {
  std::vector<FencedBlock> blocks;
  std::optional<Fence> open;
  std::string code;
  const auto keep = [&] {
    blocks.push_back({open->info, std::move(code)});
    code.clear();
    open.reset();
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::optional<Fence> fence = FenceOf(line);
    if (!open) {
      open = fence;
    } else if (fence && fence->mark == open->mark && fence->length >= open->length &&
               fence->info.empty()) {
      keep();
    } else {
      code.append(WithoutIndent(line, open->indent));
      code += '\n';
    }
  }
  if (open) keep();
  return blocks;
}

std::optional<std::string> FencedCode(std::string_view text, const std::vector<std::string>& tags) {
  std::optional<std::string> tagged, untagged, other;
  for (FencedBlock& block : FencedBlocks(text)) {
    const bool is_ours = std::find(tags.begin(), tags.end(), block.info) != tags.end();
    (is_ours ? tagged : block.info.empty() ? untagged : other) = std::move(block.text);
  }
  return tagged ? tagged : untagged ? untagged : other;
}

}  // namespace cohort::reward
