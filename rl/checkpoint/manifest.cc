#include "rl/checkpoint/manifest.h"

#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/durable_file.h"
#include "base/error.h"

namespace cohort::rl {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr uint64_t kMaxManifestBytes = 16 << 20;

std::string Hex(uint64_t value) {
  char buffer[17];
  std::snprintf(buffer, sizeof(buffer), "%016llx", static_cast<unsigned long long>(value));
  return buffer;
}

uint64_t FromHex(const std::string& text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value, 16);
  if (result.ec != std::errc() || result.ptr != end) {
    throw Error(ErrorCode::kUsage, "manifest.json has a checksum that is not hexadecimal");
  }
  return value;
}

std::string Opening(const std::string& body) {
  return "{\"checksum\":\"" + Hex(base::Checksum(body)) + "\",\"manifest\":";
}

// The part that the checksum covers. Compared as bytes, so that no altered byte is forgiven.
std::string CheckedBody(const std::string& text) {
  const size_t opening = Opening("").size();
  if (text.size() <= opening + 1 || text.back() != '}') {
    throw Error(ErrorCode::kUsage, "manifest.json is truncated");
  }
  std::string body = text.substr(opening, text.size() - opening - 1);
  if (text.compare(0, opening, Opening(body)) != 0) {
    throw Error(ErrorCode::kUsage, "manifest.json does not match its own checksum");
  }
  return body;
}

uint64_t SizeOf(const std::filesystem::path& folder, const std::string& name) {
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(folder / name, error);
  if (error) throw Error(ErrorCode::kUsage, name + " cannot be read: " + error.message());
  return bytes;
}

void CheckSize(const std::filesystem::path& folder, const std::string& name,
               const ManifestEntry& entry) {
  const uint64_t bytes = SizeOf(folder, name);
  if (bytes == entry.bytes) return;
  throw Error(ErrorCode::kUsage, name + " has " + std::to_string(bytes) + " bytes, expected " +
                                     std::to_string(entry.bytes));
}

void CheckChecksum(uint64_t checksum, const std::string& name, const ManifestEntry& entry) {
  if (checksum == entry.checksum) return;
  throw Error(ErrorCode::kUsage, name + " does not match its checksum");
}

}  // namespace

void WriteManifest(const std::filesystem::path& folder, const Manifest& manifest) {
  json files = json::object();
  for (const auto& [name, entry] : manifest) {
    files[name] = {{"bytes", entry.bytes}, {"checksum", Hex(entry.checksum)}};
  }
  const std::string body = json{{"format", kFormat}, {"files", files}}.dump();
  base::WriteFileDurably(folder / kManifestFile, Opening(body) + body + "}");
}

Manifest ReadManifest(const std::filesystem::path& folder) {
  if (SizeOf(folder, kManifestFile) > kMaxManifestBytes) {
    throw Error(ErrorCode::kUsage, "manifest.json is too large");
  }
  const json body =
      json::parse(CheckedBody(base::ReadFile(folder / kManifestFile)), nullptr, false);
  if (!body.is_object() || body.value("format", 0) != kFormat) {
    throw Error(ErrorCode::kUsage, "manifest.json is of another format than " +
                                       std::to_string(kFormat) + ", the one this version reads");
  }
  Manifest manifest;
  for (const auto& [name, entry] : body.at("files").items()) {
    manifest[name] = {entry.at("bytes").get<uint64_t>(),
                      FromHex(entry.at("checksum").get<std::string>())};
  }
  return manifest;
}

std::string ReadVerified(const std::filesystem::path& folder, const std::string& name,
                         const ManifestEntry& entry) {
  CheckSize(folder, name, entry);
  std::string content = base::ReadFile(folder / name);
  CheckChecksum(base::Checksum(content), name, entry);
  return content;
}

void Verify(const std::filesystem::path& folder, const std::string& name,
            const ManifestEntry& entry) {
  CheckSize(folder, name, entry);
  CheckChecksum(base::FileChecksum(folder / name), name, entry);
}

}  // namespace cohort::rl
