#pragma once

// What a checkpoint's folder must hold, byte for byte.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace cohort::rl {

struct ManifestEntry {
  uint64_t bytes = 0;
  uint64_t checksum = 0;  // base::Checksum of the whole file
};
// By path relative to the checkpoint's folder, with '/' between parts.
using Manifest = std::map<std::string, ManifestEntry>;

inline constexpr char kManifestFile[] = "manifest.json";

// {"checksum":"<of the text after>","manifest":{...}}, written durably.
void WriteManifest(const std::filesystem::path& folder, const Manifest& manifest);

// Errors: kUsage "manifest.json ..." for a manifest that is missing, altered or of another format.
Manifest ReadManifest(const std::filesystem::path& folder);

// The bytes of one file. Errors: kUsage "NAME ..." when size or checksum differ from the entry.
std::string ReadVerified(const std::filesystem::path& folder, const std::string& name,
                         const ManifestEntry& entry);

}  // namespace cohort::rl
