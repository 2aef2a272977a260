#include "policy/tokenizer/byte_symbols.h"

#include <array>
#include <cstdint>

#include "base/utf8.h"

namespace cohort::policy {
namespace {

struct SymbolTable {
  std::array<uint32_t, 256> symbol_of_byte;
  std::array<int16_t, 512> byte_of_symbol;  // -1: no symbol

  SymbolTable() {
    byte_of_symbol.fill(-1);
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
                             (byte >= 0xAE && byte <= 0xFF);
      symbol_of_byte[byte] = printable ? byte : next++;
      byte_of_symbol[symbol_of_byte[byte]] = static_cast<int16_t>(byte);
    }
  }
};

const SymbolTable& Table() {
  static const SymbolTable table;
  return table;
}

}  // namespace

std::string SymbolsOfBytes(std::string_view bytes) {
  std::string symbols;
  for (const char byte : bytes)
    base::AppendUtf8(Table().symbol_of_byte[static_cast<uint8_t>(byte)], &symbols);
  return symbols;
}

std::optional<std::string> BytesOfSymbols(std::string_view symbols) {
  std::string bytes;
  for (size_t position = 0; position < symbols.size();) {
    const base::CodePoint point = base::DecodeUtf8(symbols, position);
    if (point.value >= Table().byte_of_symbol.size()) return std::nullopt;
    const int16_t byte = Table().byte_of_symbol[point.value];
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    position += point.length;
  }
  return bytes;
}

}  // namespace cohort::policy
