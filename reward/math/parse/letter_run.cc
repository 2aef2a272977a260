#include "reward/math/parse/letter_run.h"

#include <algorithm>
#include <string>

#include "reward/math/parse/characters.h"

namespace cohort::reward::math {
namespace {

// Words of two and three letters, without those that are likelier a product of variables: "at",
// "am", "by", "ax".
constexpr std::string_view kShortWords =
    " act add age air all amy and ann ant any apr arc art ate aug bad bag bat bee ben big bob "
    "box boy bus but cap car cat cow cup dad dan day dec den div do dog dry eat egg end eve "
    "fan far feb few fit for fox fri gap gas go god ham hat hen her him his hot how ice inf "
    "ivy jam jan jim joe jul jun kim lee leo let low man mar max may men mia mom mon mul nap "
    "ned net new nil no not nov now nut oct odd of off oh oil ok old on one opt out owl own "
    "ox pan pen pie pig pot rat ray red roy run sam sat saw sea sep set she six sky so son "
    "sub sue sum sun tab tan tar tea ted ten the thu tie tim to tom top toy tue two was way "
    "wed wen wet who why won yes you zoe ";

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

bool IsVowel(char c) { return std::string_view("aeiou").find(c) != std::string_view::npos; }

bool IsWord(std::string_view run) {
  const std::string lower = LowerCase(run);
  if (kShortWords.find(" " + lower + " ") != std::string_view::npos) return true;
  std::string sorted = lower;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) return true;
  const bool roman =
      lower.find_first_not_of("ivx") == std::string::npos && lower.find('i') != std::string::npos;
  const bool title = run.size() >= 3 && IsUpper(run[0]) &&
                     std::none_of(run.begin() + 1, run.end(), IsUpper) &&
                     std::any_of(lower.begin(), lower.end(), IsVowel);
  return roman || title;
}

}  // namespace

std::optional<bool> SameLetterRun(std::string_view a, std::string_view b) {
  if (IsWord(a) || IsWord(b)) return LowerCase(a) == LowerCase(b);
  if (std::all_of(a.begin(), a.end(), IsUpper) && std::all_of(b.begin(), b.end(), IsUpper)) {
    return a == b;
  }
  return std::nullopt;
}

}  // namespace cohort::reward::math
