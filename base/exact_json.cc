#include "base/exact_json.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/error.h"
#include "base/printable_text.h"

namespace cohort::base {
namespace {

constexpr std::uint64_t kDigits = 0xB16;  // subtype of such a binary value

template <typename AnyJson>
class ExactReader : public nlohmann::detail::json_sax_dom_parser<AnyJson> {
  using Reader = nlohmann::detail::json_sax_dom_parser<AnyJson>;

 public:
  explicit ExactReader(AnyJson* root) : Reader(*root, /*allow_exceptions_=*/false) {}

  bool number_float(double value, const std::string& text) {
    if (text.find_first_of(".eE") != std::string::npos) return Reader::number_float(value, text);
    typename AnyJson::binary_t digits({text.begin(), text.end()}, kDigits);
    return Reader::binary(digits);
  }

  template <typename Exception>
  bool parse_error(size_t position, const std::string& token, const Exception& error) {
    constexpr int kNumberOverflow = 406;
    if (error.id != kNumberOverflow) return Reader::parse_error(position, token, error);
    throw Error(ErrorCode::kUsage,
                "the number that ends in column " + std::to_string(position) + " is too large",
                "write it as a text, in quotation marks");
  }
};

template <typename AnyJson>
AnyJson Parse(std::string_view text) {
  AnyJson root;
  ExactReader<AnyJson> reader(&root);
  if (!AnyJson::sax_parse(text, &reader) || reader.is_errored()) {
    return AnyJson(nlohmann::detail::value_t::discarded);
  }
  return root;
}

template <typename AnyJson>
std::optional<std::string> DigitsOf(const AnyJson& value) {
  if (!value.is_binary()) return std::nullopt;
  const auto& bytes = value.get_binary();
  if (!bytes.has_subtype() || bytes.subtype() != kDigits) return std::nullopt;
  return std::string(bytes.begin(), bytes.end());
}

template <typename AnyJson>
bool HoldsBigInteger(const AnyJson& value) {
  if (!value.is_structured()) return value.is_binary();
  return std::any_of(value.begin(), value.end(),
                     [](const AnyJson& item) { return HoldsBigInteger(item); });
}

template <typename AnyJson>
std::string DumpWithout(const AnyJson& value) {
  return value.dump(-1, ' ', false, AnyJson::error_handler_t::replace);
}

template <typename AnyJson>
std::string Dump(const AnyJson& value) {
  if (!HoldsBigInteger(value)) return DumpWithout(value);
  if (!value.is_structured()) return DigitsOf(value).value_or(DumpWithout(value));
  const bool object = value.is_object();
  std::string out(1, object ? '{' : '[');
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (item != value.begin()) out += ',';
    if (object) out += DumpWithout(AnyJson(item.key())) + ":";
    out += Dump(*item);
  }
  return out + (object ? '}' : ']');
}

void PrintLine(const std::string& json) {
  const std::string line = PrintableJson(json) + "\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
}

}  // namespace

nlohmann::json ParseExactJson(std::string_view text) { return Parse<nlohmann::json>(text); }

nlohmann::ordered_json ParseExactOrderedJson(std::string_view text) {
  return Parse<nlohmann::ordered_json>(text);
}

std::optional<std::string> BigIntegerDigits(const nlohmann::json& value) { return DigitsOf(value); }

std::optional<std::string> BigIntegerDigits(const nlohmann::ordered_json& value) {
  return DigitsOf(value);
}

std::string DumpExactJson(const nlohmann::json& value) { return Dump(value); }

std::string DumpExactJson(const nlohmann::ordered_json& value) { return Dump(value); }

void PrintJsonLine(const nlohmann::json& value) { PrintLine(Dump(value)); }

void PrintJsonLine(const nlohmann::ordered_json& value) { PrintLine(Dump(value)); }

}  // namespace cohort::base
