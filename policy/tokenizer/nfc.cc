#include "policy/tokenizer/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>

#include "base/error.h"
#include "base/utf8.h"

namespace cohort::policy {
namespace {

struct CodePointRange {
  uint32_t first, last;
};

// Marks with a combining class or a composition that the unicode-normalization-alignments crate of
// tokenizers 0.23 does not know, up to Unicode 16; found by asking it for every code point. And
// U+11A7, which utf8proc 2.8 swallows after a Hangul syllable.
constexpr CodePointRange kInert[] = {
    {0x7FD, 0x7FD},     {0x897, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
    {0xC3C, 0xC3C},     {0xCF3, 0xCF3},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},
    {0xECE, 0xECE},     {0x11A7, 0x11A7},   {0x1715, 0x1715},   {0x1ABF, 0x1ACE},
    {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27}, {0x10D69, 0x10D6D},
    {0x10EAB, 0x10EAC}, {0x10EFC, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85},
    {0x11070, 0x11070}, {0x11241, 0x11241}, {0x1133B, 0x1133B}, {0x113B8, 0x113C0},
    {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D0},
    {0x113D2, 0x113D2}, {0x113E1, 0x113E2}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
    {0x11930, 0x11930}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
    {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42},
    {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F00, 0x11F01}, {0x11F03, 0x11F03},
    {0x11F34, 0x11F3A}, {0x11F3E, 0x11F42}, {0x11F5A, 0x11F5A}, {0x13440, 0x13440},
    {0x13447, 0x13455}, {0x1611E, 0x1612F}, {0x16D67, 0x16D67}, {0x16FF0, 0x16FF1},
    {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
    {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF},
};

bool IsInert(uint32_t code_point) {
  const auto next = std::upper_bound(
      std::begin(kInert), std::end(kInert), code_point,
      [](uint32_t value, const CodePointRange& range) { return value < range.first; });
  return next != std::begin(kInert) && code_point <= std::prev(next)->last;
}

void AppendComposed(std::string_view text, std::string* out) {
  if (text.empty()) return;
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  COHORT_CHECK(length >= 0, utf8proc_errmsg(length));
  out->append(reinterpret_cast<const char*>(composed), static_cast<size_t>(length));
}

}  // namespace

std::string ComposeNfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t done = 0;
  for (size_t position = 0; position < text.size();) {
    const base::CodePoint point = base::DecodeUtf8(text, position);
    if (IsInert(point.value)) {
      AppendComposed(text.substr(done, position - done), &out);
      out += text.substr(position, point.length);
      done = position + point.length;
    }
    position += point.length;
  }
  AppendComposed(text.substr(done), &out);
  return out;
}

bool IsPlainlyNfc(std::string_view text) {  // everything below U+0300 stays as it is
  return std::all_of(text.begin(), text.end(),
                     [](char byte) { return static_cast<uint8_t>(byte) < 0xCC; });
}

}  // namespace cohort::policy
