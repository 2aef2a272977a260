#pragma once

// Two programs must agree on this before one samples from the other's weights: the protocol, and
// all that the logits depend on besides the weights.

#include <cstdint>
#include <string>

#include "policy/config/config.h"
#include "policy/tokenizer/tokenizer.h"
#include "rollout/rollout.pb.h"

namespace cohort::rollout {

// Counts what programs of different releases would understand differently. Programs from before it
// was counted say 0.
constexpr uint32_t kProtocol = 3;

// "RUN_ID/STARTED_MS": one start of a run, as requests and completions name it.
std::string NameOf(const v1::RunStart& start);
// "run RUN_ID (process PID on HOST)", for people.
std::string Describe(const v1::RunStart& start);

// Over ids and texts of all tokens; never 0.
uint64_t VocabularyChecksum(const policy::Tokenizer& tokenizer);

// The sender's protocol and config, for its manifests.
void FillHandshake(const policy::ModelConfig& config, v1::WeightManifest* manifest);

// Why the sender's weights would be another function here: another protocol, or the first key of
// the config that differs, with both values; "" where they are the same. The vocabularies are
// compared where both checksums are known.
std::string Disagreement(const v1::WeightManifest& manifest, const policy::ModelConfig& config,
                         uint64_t vocabulary_checksum);

// The complaint about a peer that speaks another protocol; "" where it speaks this one.
std::string ProtocolDisagreement(const std::string& peer, uint32_t protocol);

}  // namespace cohort::rollout
