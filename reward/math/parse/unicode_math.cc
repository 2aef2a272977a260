#include "reward/math/parse/unicode_math.h"

#include <algorithm>
#include <unordered_map>

#include "reward/math/parse/characters.h"
#include "reward/math/parse/han_words.h"
#include "reward/text/plain_characters.h"

namespace cohort::reward::math {
namespace {

using Table = std::unordered_map<std::string_view, std::string_view>;

const Table& Characters() {
  static const Table table = {
      {"−", "-"},
      {"–", "-"},
      {"—", "-"},
      {"‐", "-"},
      {"‑", "-"},
      {"－", "-"},
      {"×", "\\times "},
      {"÷", "\\div "},
      {"·", "\\cdot "},
      {"⋅", "\\cdot "},
      {"∙", "\\cdot "},
      {"∗", "*"},
      {"∕", "/"},
      {"⁄", "/"},
      {"√", "\\sqrt "},
      {"∛", "\\sqrt[3]"},
      {"∜", "\\sqrt[4]"},
      {"π", "\\pi "},
      {"∞", "\\infty "},
      {"±", "\\pm "},
      {"∓", "\\mp "},
      {"≤", "\\le "},
      {"≥", "\\ge "},
      {"⩽", "\\le "},
      {"⩾", "\\ge "},
      {"≠", "\\ne "},
      {"≈", "\\approx "},
      {"≡", "\\equiv "},
      {"＝", "="},
      {"＜", "<"},
      {"＞", ">"},
      {"∈", "\\in "},
      {"∉", "\\notin "},
      {"∪", "\\cup "},
      {"∩", "\\cap "},
      {"∖", "\\setminus "},
      {"∅", "\\emptyset "},
      {"Ø", "\\emptyset "},
      {"ℝ", "\\mathbb{R}"},
      {"ℤ", "\\mathbb{Z}"},
      {"ℕ", "\\mathbb{N}"},
      {"ℚ", "\\mathbb{Q}"},
      {"ℂ", "\\mathbb{C}"},
      {"½", "\\frac{1}{2}"},
      {"⅓", "\\frac{1}{3}"},
      {"⅔", "\\frac{2}{3}"},
      {"¼", "\\frac{1}{4}"},
      {"¾", "\\frac{3}{4}"},
      {"⅕", "\\frac{1}{5}"},
      {"⅖", "\\frac{2}{5}"},
      {"⅗", "\\frac{3}{5}"},
      {"⅘", "\\frac{4}{5}"},
      {"⅙", "\\frac{1}{6}"},
      {"⅚", "\\frac{5}{6}"},
      {"⅐", "\\frac{1}{7}"},
      {"⅛", "\\frac{1}{8}"},
      {"⅜", "\\frac{3}{8}"},
      {"⅝", "\\frac{5}{8}"},
      {"⅞", "\\frac{7}{8}"},
      {"⅑", "\\frac{1}{9}"},
      {"⅒", "\\frac{1}{10}"},
      {"°", "^{\\circ}"},
      {"℃", "^{\\circ}\\text{C}"},
      {"℉", "^{\\circ}\\text{F}"},
      {"′", "'"},
      {"″", "''"},
      {"’", "'"},
      {"‘", "'"},
      {"“", "\""},
      {"”", "\""},
      {"⌊", "\\lfloor "},
      {"⌋", "\\rfloor "},
      {"⌈", "\\lceil "},
      {"⌉", "\\rceil "},
      {"⟨", "\\langle "},
      {"⟩", "\\rangle "},
      {"∣", "|"},
      {"…", "\\ldots "},
      {"⋯", "\\ldots "},
      {"∑", "\\sum "},
      {"∏", "\\prod "},
      {"∫", "\\int "},
      {"→", "\\to "},
      {"∠", "\\angle "},
      {"△", "\\triangle "},
      {"∨", "\\lor "},
      {"∧", "\\land "},
      {"∂", "\\partial "},
      {"€", "\\euro "},
      {"£", "\\pounds "},
      {"¢", "\\text{ cents}"},
      {"¥", "\\yuan "},
      {"￥", "\\yuan "},
      {"₹", "\\rupee "},
      {"，", ", "},
      {"。", ". "},
      {"：", ":"},
      {"；", ";"},
      {"（", "("},
      {"）", ")"},
      {"、", ", "},
      {"＋", "+"},
      {"％", "%"},
      {"٪", "%"},
      {"٫", "."},
      {"٬", ","},
      {"∶", ":"},
      {"∷", ":"},
      {"［", "["},
      {"］", "]"},
      {"｛", "{"},
      {"｝", "}"},
      {"\u00A0", " "},
      {"\u2002", " "},
      {"\u2003", " "},
      {"\u2009", "\\,"},
      {"\u202F", "\\,"},
      {"\u200A", " "},
      {"\u200B", ""},
      {"\uFEFF", ""},
      {"\u2061", ""},
      {"\u2062", ""},
      {"α", "\\alpha "},
      {"β", "\\beta "},
      {"γ", "\\gamma "},
      {"δ", "\\delta "},
      {"ε", "\\epsilon "},
      {"ζ", "\\zeta "},
      {"η", "\\eta "},
      {"θ", "\\theta "},
      {"κ", "\\kappa "},
      {"λ", "\\lambda "},
      {"μ", "\\mu "},
      {"ν", "\\nu "},
      {"ξ", "\\xi "},
      {"ρ", "\\rho "},
      {"σ", "\\sigma "},
      {"τ", "\\tau "},
      {"φ", "\\phi "},
      {"ϕ", "\\phi "},
      {"χ", "\\chi "},
      {"ψ", "\\psi "},
      {"ω", "\\omega "},
      {"Δ", "\\Delta "},
      {"Γ", "\\Gamma "},
      {"Θ", "\\Theta "},
      {"Λ", "\\Lambda "},
      {"Σ", "\\Sigma "},
      {"Φ", "\\Phi "},
      {"Ψ", "\\Psi "},
      {"Ω", "\\Omega "},
      {"ⅈ", "i"},
      {"ⅇ", "e"},
      {"µ", "\\mu "},
      {"ℓ", "\\ell "},
      {"ħ", "\\hbar "},
      {"ı", "i"},
      {"ȷ", "j"},
      {"⟦", "["},
      {"⟧", "]"},
      {"〈", "\\langle "},
      {"〉", "\\rangle "},
      {"⊆", "\\subseteq "},
      {"∼", "\\sim "},
  };
  return table;
}

const Table& Superscripts() {
  static const Table table = {{"⁰", "0"}, {"¹", "1"}, {"²", "2"}, {"³", "3"}, {"⁴", "4"},
                              {"⁵", "5"}, {"⁶", "6"}, {"⁷", "7"}, {"⁸", "8"}, {"⁹", "9"},
                              {"⁺", "+"}, {"⁻", "-"}, {"ⁿ", "n"}, {"ˣ", "x"}, {"⁽", "("},
                              {"⁾", ")"}, {"ⁱ", "i"}};
  return table;
}

const Table& Subscripts() {
  static const Table table = {{"₀", "0"}, {"₁", "1"}, {"₂", "2"}, {"₃", "3"},
                              {"₄", "4"}, {"₅", "5"}, {"₆", "6"}, {"₇", "7"},
                              {"₈", "8"}, {"₉", "9"}, {"ₙ", "n"}, {"ₓ", "x"}};
  return table;
}

size_t Width(unsigned char lead) { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

// Moves past a run of characters of `table`; appends what they mean.
std::string Run(std::string_view text, size_t* i, const Table& table) {
  std::string run;
  while (*i < text.size()) {
    const size_t width = Width(static_cast<unsigned char>(text[*i]));
    const auto found = table.find(text.substr(*i, width));
    if (found == table.end()) break;
    run += found->second;
    *i += width;
  }
  return run;
}

}  // namespace

bool HasUnicode(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

std::string UnicodeToLatex(std::string_view text) {
  const std::string plain = PlainCharacters(text);
  text = plain;
  std::string latex;
  latex.reserve(text.size() + text.size() / 2);
  size_t i = 0;
  while (i < text.size()) {
    const size_t width = Width(static_cast<unsigned char>(text[i]));
    if (width == 1) {
      latex += text[i++];
      continue;
    }
    if (const std::string up = Run(text, &i, Superscripts()); !up.empty()) {
      latex += "^{" + up + "}";
      continue;
    }
    if (const std::string down = Run(text, &i, Subscripts()); !down.empty()) {
      latex += "_{" + down + "}";
      continue;
    }
    if (StartsWithHan(text.substr(i))) {
      size_t end = i;
      while (StartsWithHan(text.substr(end))) end += width;
      latex += HanToLatex(text.substr(i, end - i));
      i = end;
      continue;
    }
    const std::string_view character = text.substr(i, width);
    if (character == "\u0305" && !latex.empty() && IsDigit(latex.back())) {  // a bar over it
      latex.replace(latex.size() - 1, 1, "\\overline{" + latex.substr(latex.size() - 1) + "}");
      i += width;
      continue;
    }
    const auto found = Characters().find(character);
    latex += found == Characters().end() ? character : found->second;
    i += width;
  }
  return latex;
}

}  // namespace cohort::reward::math
