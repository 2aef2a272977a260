#pragma once

// TensorBoard's event files: TFRecord framing around Event messages (rl/records/tensorboard.proto).

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cohort::rl {

// CRC-32C (Castagnoli) as TFRecord masks it: rotated right by 15 bits plus 0xa282ead8.
uint32_t MaskedCrc32c(std::string_view bytes);

// length (u64), masked CRC of the length, payload, masked CRC of the payload; little-endian.
std::string TfRecord(std::string_view payload);

// The record that opens every event file.
std::string EventFileHeader(double wall_time_s);

// One record with all scalars of a step.
std::string ScalarEvent(int64_t step, double wall_time_s,
                        const std::vector<std::pair<std::string, double>>& scalars);

}  // namespace cohort::rl
