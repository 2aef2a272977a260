#include "rl/records/tensorboard_events.h"

#include <array>
#include <bit>
#include <cstring>

#include "rl/records/tensorboard.pb.h"

namespace cohort::rl {
namespace {

static_assert(std::endian::native == std::endian::little, "TFRecord fields are little-endian");

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
    table[i] = crc;
  }
  return table;
}

template <typename Integer>
std::string Bytes(Integer value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

}  // namespace

uint32_t MaskedCrc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = MakeCrcTable();
  uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  }
  return std::rotr(~crc, 15) + 0xA282EAD8U;
}

std::string TfRecord(std::string_view payload) {
  const std::string length = Bytes(static_cast<uint64_t>(payload.size()));
  return length + Bytes(MaskedCrc32c(length)) + std::string(payload) + Bytes(MaskedCrc32c(payload));
}

std::string EventFileHeader(double wall_time_s) {
  tensorboard::Event event;
  event.set_wall_time(wall_time_s);
  event.set_file_version("brain.Event:2");
  return TfRecord(event.SerializeAsString());
}

std::string ScalarEvent(int64_t step, double wall_time_s,
                        const std::vector<std::pair<std::string, double>>& scalars) {
  tensorboard::Event event;
  event.set_wall_time(wall_time_s);
  event.set_step(step);
  for (const auto& [tag, value] : scalars) {
    tensorboard::Summary::Value* entry = event.mutable_summary()->add_value();
    entry->set_tag(tag);
    entry->set_simple_value(static_cast<float>(value));
  }
  return TfRecord(event.SerializeAsString());
}

}  // namespace cohort::rl
