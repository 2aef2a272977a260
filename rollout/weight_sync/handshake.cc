#include "rollout/weight_sync/handshake.h"

#include <map>
#include <nlohmann/json.hpp>

#include "base/durable_file.h"
#include "policy/weights/weights.h"

namespace cohort::rollout {
namespace {

using nlohmann::json;
using Entries = std::map<std::string, std::string>;

// Keys of config.json on which no logit depends.
bool IsAside(const std::string& key) {
  static const std::map<std::string, int> aside = {
      {"architectures", 0}, {"attention_dropout", 0},  {"bos_token_id", 0}, {"dtype", 0},
      {"eos_token_id", 0},  {"initializer_range", 0},  {"pad_token_id", 0}, {"torch_dtype", 0},
      {"use_cache", 0},     {"quantization_config", 0}};
  return aside.contains(key);
}

void Flatten(const std::string& prefix, const json& object, Entries* entries) {
  for (const auto& [key, value] : object.items()) {
    if (prefix.empty() && IsAside(key)) continue;
    if (value.is_object()) {
      Flatten(prefix + key + ".", value, entries);
    } else {
      (*entries)[prefix + key] = value.dump();
    }
  }
}

Entries EntriesOf(const policy::ModelConfig& config) {
  Entries entries;
  // As read, not as written: two spellings of one config are one.
  Flatten("", policy::ConfigToJson(policy::WithoutMtpLayers(config), policy::Dtype::kFloat32),
          &entries);
  return entries;
}

std::string Value(const Entries& entries, const std::string& key) {
  const auto found = entries.find(key);
  return found == entries.end() ? "not set" : found->second;
}

}  // namespace

std::string NameOf(const v1::RunStart& start) {
  if (start.run_id().empty()) return "";
  return start.run_id() + "/" + std::to_string(start.started_ms());
}

std::string Describe(const v1::RunStart& start) {
  return "run " + start.run_id() + " (process " + std::to_string(start.pid()) + " on " +
         start.host() + ")";
}

uint64_t VocabularyChecksum(const policy::Tokenizer& tokenizer) {
  std::string texts;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string text = tokenizer.Decode({{id}}, /*skip_special=*/false, /*continues=*/true);
    texts += std::to_string(text.size()) + ":" + text;
  }
  const uint64_t checksum = base::Checksum(texts);
  return checksum == 0 ? 1 : checksum;
}

void FillHandshake(const policy::ModelConfig& config, v1::WeightManifest* manifest) {
  manifest->set_protocol(kProtocol);
  manifest->clear_config();
  for (const auto& [key, value] : EntriesOf(config)) {
    v1::ConfigEntry& entry = *manifest->add_config();
    entry.set_key(key);
    entry.set_value(value);
  }
}

std::string ProtocolDisagreement(const std::string& peer, uint32_t protocol) {
  if (protocol == kProtocol) return "";
  return peer + " speaks version " + std::to_string(protocol) +
         " of the protocol between learner and rollout workers, this program version " +
         std::to_string(kProtocol) + "; run the same release of cohort on both sides";
}

std::string Disagreement(const v1::WeightManifest& manifest, const policy::ModelConfig& config,
                         uint64_t vocabulary_checksum) {
  const std::string protocol = ProtocolDisagreement("the learner", manifest.protocol());
  if (!protocol.empty()) return protocol;
  const Entries own = EntriesOf(config);
  Entries theirs;
  for (const v1::ConfigEntry& entry : manifest.config()) theirs[entry.key()] = entry.value();
  Entries both = own;
  both.insert(theirs.begin(), theirs.end());
  for (const auto& [key, unused] : both) {
    if (Value(own, key) == Value(theirs, key)) continue;
    return "the learner's model has " + key + " = " + Value(theirs, key) +
           " and the worker's config.json " + Value(own, key) +
           "; start the worker with the model that the run trains";
  }
  if (manifest.vocabulary_checksum() != 0 && vocabulary_checksum != 0 &&
      manifest.vocabulary_checksum() != vocabulary_checksum) {
    return "the learner's tokenizer has other tokens than the worker's; start the worker with the "
           "model that the run trains";
  }
  return "";
}

}  // namespace cohort::rollout
