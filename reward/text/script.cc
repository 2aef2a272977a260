#include "reward/text/script.h"

#include <utf8proc.h>

#include <algorithm>
#include <map>
#include <vector>

#include "reward/text/words.h"

namespace cohort::reward {
namespace {

struct ScriptRange {
  uint32_t first, last;
  Script script;
};

// Blocks of the Unicode standard that hold letters of these scripts.
constexpr ScriptRange kRanges[] = {
    {0x0041, 0x024F, Script::kLatin},      {0x0250, 0x02AF, Script::kLatin},
    {0x0370, 0x03FF, Script::kGreek},      {0x0400, 0x052F, Script::kCyrillic},
    {0x0590, 0x05FF, Script::kHebrew},     {0x0600, 0x06FF, Script::kArabic},
    {0x0750, 0x077F, Script::kArabic},     {0x08A0, 0x08FF, Script::kArabic},
    {0x0900, 0x097F, Script::kDevanagari}, {0x0E00, 0x0E7F, Script::kThai},
    {0x1100, 0x11FF, Script::kHangul},     {0x1E00, 0x1EFF, Script::kLatin},
    {0x1F00, 0x1FFF, Script::kGreek},      {0x3005, 0x3007, Script::kHan},
    {0x3041, 0x30FF, Script::kKana},       {0x3130, 0x318F, Script::kHangul},
    {0x31F0, 0x31FF, Script::kKana},       {0x3400, 0x4DBF, Script::kHan},
    {0x4E00, 0x9FFF, Script::kHan},        {0xAC00, 0xD7AF, Script::kHangul},
    {0xF900, 0xFAFF, Script::kHan},        {0xFB1D, 0xFB4F, Script::kHebrew},
    {0xFB50, 0xFDFF, Script::kArabic},     {0xFE70, 0xFEFF, Script::kArabic},
    {0xFF21, 0xFF5A, Script::kLatin},      {0xFF66, 0xFF9D, Script::kKana},
    {0x20000, 0x3FFFF, Script::kHan},
};

bool IsLetter(uint32_t code_point) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

// Words of one letter are left out: in a calculation they are variables.
constexpr std::pair<std::string_view, std::string_view> kCommonWords[] = {
    {"en",
     "the of and to is that it for was on are with they this have from one had by but not what all "
     "were we when your can said there use each which their if will how about out then these some "
     "her would make like him into has look two more go see number could people than first been "
     "who "
     "its now find long down did get come made may so because therefore thus let since where given "
     "should only also answer"},
    {"de",
     "der die das und ist nicht ein eine ich mit sich auf für dem den von zu im wird auch als wir "
     "sie sind wie bei oder aus nach kann nur werden haben hat dann also daher damit wenn aber "
     "sein "
     "diese dieser dieses einen einem einer durch zwischen muss über weil zum zur gibt"},
    {"fr",
     "le la les des et est une un que dans pour qui sur pas avec ce sont plus nous vous par il "
     "elle "
     "au aux du cette ces mais ou où donc alors comme être avoir ont fait leur si même aussi entre "
     "chaque parce ainsi deux car"},
    {"es",
     "el la los las que en un una es por con para su se del al lo como más pero sus ya este "
     "esta son entonces porque cuando muy sin sobre también hay donde desde cada así tiene ser "
     "está luego dos si"},
    {"it",
     "il lo la gli le che di un una è per con non si del della dei sono come più ma anche questo "
     "questa nel nella alla al dal quindi allora perché quando ogni essere ha hanno cui se poi due "
     "tra"},
    {"pt",
     "os as que de um uma é para com não se do da dos das por mais mas como em no na nos ao "
     "são também então porque quando cada ser está foi ele ela seu sua isso este esta já ou dois "
     "se"},
};

}  // namespace

Script ScriptOf(uint32_t code_point) {
  if (!IsLetter(code_point)) return Script::kNone;
  for (const ScriptRange& range : kRanges) {
    if (code_point >= range.first && code_point <= range.last) return range.script;
  }
  return Script::kOther;
}

std::string_view LatinLanguageOf(std::string_view word) {
  static const auto languages = [] {
    std::map<std::string, std::string_view, std::less<>> found;
    for (const auto& [language, words] : kCommonWords) {
      for (const std::string_view one : SplitWords(words)) {
        const auto [entry, fresh] = found.emplace(FoldText(one), language);
        if (!fresh && entry->second != language) entry->second = "";
      }
    }
    return found;
  }();
  const auto found = languages.find(word);
  return found == languages.end() ? std::string_view() : found->second;
}

}  // namespace cohort::reward
