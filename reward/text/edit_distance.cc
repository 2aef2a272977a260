#include "reward/text/edit_distance.h"

#include <unordered_map>

namespace cohort::reward {
namespace {

constexpr size_t kBits = 64;

// Vertical differences of 64 rows of the table: bit i of `up` is +1, of `down` -1.
struct BitBlock {
  uint64_t up = ~uint64_t{0};
  uint64_t down = 0;
};

// One column of one block; `carry` is the horizontal difference that enters at its top and leaves
// at its row `last`.
int Advance(BitBlock& block, uint64_t matches, int carry, uint64_t last) {
  const uint64_t enters_down = carry < 0 ? 1 : 0;
  const uint64_t vertical = matches | block.down;
  const uint64_t equal = matches | enters_down;
  const uint64_t horizontal = (((equal & block.up) + block.up) ^ block.up) | equal;
  uint64_t right_up = block.down | ~(horizontal | block.up);
  uint64_t right_down = block.up & horizontal;
  const int leaves = (right_up & last) != 0 ? 1 : (right_down & last) != 0 ? -1 : 0;
  right_up = (right_up << 1) | (carry > 0 ? 1 : 0);
  right_down = (right_down << 1) | enters_down;
  block.up = right_down | ~(vertical | right_up);
  block.down = right_up & vertical;
  return leaves;
}

}  // namespace

std::optional<int64_t> EditDistance(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b,
                                    const Budget& budget) {
  if (a.empty() || b.empty()) return static_cast<int64_t>(a.size() + b.size());
  const size_t blocks = (a.size() + kBits - 1) / kBits;
  std::unordered_map<uint32_t, std::vector<uint64_t>> matches;
  for (size_t i = 0; i < a.size(); ++i) {
    std::vector<uint64_t>& rows = matches[a[i]];
    rows.resize(blocks);
    rows[i / kBits] |= uint64_t{1} << (i % kBits);
  }
  const std::vector<uint64_t> none(blocks);
  std::vector<BitBlock> column(blocks);
  auto distance = static_cast<int64_t>(a.size());
  for (size_t j = 0; j < b.size(); ++j) {
    if (j % 256 == 0 && budget.Exhausted()) return std::nullopt;
    const auto found = matches.find(b[j]);
    const std::vector<uint64_t>& rows = found == matches.end() ? none : found->second;
    int carry = 1;  // the table's first row counts up
    for (size_t block = 0; block < blocks; ++block) {
      const size_t rows_here = block + 1 < blocks ? kBits : a.size() - block * kBits;
      carry = Advance(column[block], rows[block], carry, uint64_t{1} << (rows_here - 1));
    }
    distance += carry;
  }
  return distance;
}

}  // namespace cohort::reward
