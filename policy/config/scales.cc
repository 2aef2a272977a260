#include "policy/config/scales.h"

#include <cmath>

namespace cohort::policy {
namespace {

using nlohmann::json;

constexpr char kLogitCap[] = "final_logit_softcapping";

// The class multiplies by the root in the dtype of the weights; rounded to fp32 here, whatever that
// is.
double GemmaEmbeddingScale(const ModelConfig& config) {
  return static_cast<float>(std::sqrt(static_cast<double>(config.width)));
}

}  // namespace

double ReadSoftCap(const ConfigFields& fields, const char* key, double absent) {
  return fields.IsNull(key) ? 0.0 : fields.PositiveOr(key, absent);
}

json SoftCapToJson(double cap) { return cap > 0 ? json(cap) : json(); }

void ReadGemma2Scales(const ConfigFields& fields, ModelConfig* config) {
  config->embedding_scale = GemmaEmbeddingScale(*config);
  config->logit_soft_cap = ReadSoftCap(fields, kLogitCap, 30.0);
}

void ReadGemma3Scales(const ConfigFields& fields, ModelConfig* config) {
  config->embedding_scale = GemmaEmbeddingScale(*config);
  config->logit_soft_cap = ReadSoftCap(fields, kLogitCap, 0.0);
}

void ReadGraniteScales(const ConfigFields& fields, ModelConfig* config) {
  config->embedding_scale = fields.PositiveOr("embedding_multiplier", 1.0);
  config->residual_scale = fields.PositiveOr("residual_multiplier", 1.0);
  config->logit_scale = 1 / fields.PositiveOr("logits_scaling", 1.0);
}

json GemmaScalesToJson(const ModelConfig& config) {
  return {{kLogitCap, SoftCapToJson(config.logit_soft_cap)}};
}

json GraniteScalesToJson(const ModelConfig& config) {
  // The same factor again when it is read: published divisors are whole numbers.
  const double divisor = 1 / config.logit_scale, whole = std::round(divisor);
  return {{"embedding_multiplier", config.embedding_scale},
          {"residual_multiplier", config.residual_scale},
          {"logits_scaling", 1 / whole == config.logit_scale ? whole : divisor}};
}

}  // namespace cohort::policy
