#pragma once

// config.json <-> what multiplies or caps the embedding, the residual stream and the logits.

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

void ReadGemma2Scales(const ConfigFields& fields, ModelConfig* config);
void ReadGemma3Scales(const ConfigFields& fields, ModelConfig* config);
void ReadGraniteScales(const ConfigFields& fields, ModelConfig* config);

nlohmann::json GemmaScalesToJson(const ModelConfig& config);
nlohmann::json GraniteScalesToJson(const ModelConfig& config);

// A cap of scores or logits: `absent` where the field is not there, 0 where it is null.
double ReadSoftCap(const ConfigFields& fields, const char* key, double absent);
nlohmann::json SoftCapToJson(double cap);

}  // namespace cohort::policy
