#pragma once

// The list of a checkpoint's files with their sizes and checksums, by which a damaged one is known.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace cohort::rl {

struct ManifestEntry {
  uint64_t bytes = 0;
  uint64_t checksum = 0;  // base::Checksum of the whole file
};
// The key is a path relative to the checkpoint's folder, with '/' between its parts.
using Manifest = std::map<std::string, ManifestEntry>;

inline constexpr char kManifestFile[] = "manifest.json";

// Written durably as {"checksum":"...","manifest":{...}}; the checksum covers the text of the
// manifest, so that an altered byte of it is found too.
void WriteManifest(const std::filesystem::path& folder, const Manifest& manifest);

// Errors: kUsage "manifest.json ..." for a manifest that is missing, altered or of another format.
Manifest ReadManifest(const std::filesystem::path& folder);

// The same without the bytes, a piece in memory at a time. Errors: as ReadVerified.
void Verify(const std::filesystem::path& folder, const std::string& name,
            const ManifestEntry& entry);
// Returns the bytes of one file. Errors: kUsage "NAME ..." when size or checksum differ from the
// entry.
std::string ReadVerified(const std::filesystem::path& folder, const std::string& name,
                         const ManifestEntry& entry);

}  // namespace cohort::rl
