#include "rl/plan/plan.h"

#include <cmath>
#include <cstdio>

#include "policy/config/quantization.h"
#include "policy/transformer/activation_memory.h"
#include "policy/weights/model_size.h"
#include "policy/weights/weights.h"

namespace cohort::rl {
namespace {

using policy::ModelConfig;

// "%.2f" with the largest of T, B, M, K that leaves a number of 1 or more.
std::string Short(double value, const std::string& unit = "") {
  char text[64];
  const std::pair<double, const char*> scales[] = {{1e12, "T"}, {1e9, "B"}, {1e6, "M"}};
  for (const auto& [scale, letter] : scales) {
    if (value < scale) continue;
    std::snprintf(text, sizeof(text), "%.2f%s%s", value / scale, letter, unit.c_str());
    return text;
  }
  std::snprintf(text, sizeof(text), value == std::floor(value) ? "%.0f%s" : "%.4g%s", value,
                unit.c_str());
  return text;
}

std::string Gigabytes(double bytes) {
  char text[64];
  std::snprintf(text, sizeof(text), bytes < 1e8 ? "%.3f GB" : "%.2f GB", bytes * 1e-9);
  return text;
}

std::string Number(double value) { return Short(value); }

void AddSize(const ModelConfig& config, std::vector<PlanLine>& plan) {
  const policy::ModelSize size = policy::MeasureModel(config);
  const auto add = [&](const std::string& key, int64_t count, const std::string& formula) {
    const auto value = static_cast<double>(count);
    plan.push_back({key, value, Short(value), formula});
  };
  add("parameters_total", size.total,
      config.num_mtp_layers > 0
          ? "sum over the shapes of all tensors of the decoder, without the " +
                std::to_string(config.num_mtp_layers) + " multi-token-prediction layer(s)"
          : "sum over the shapes of all tensors");
  add("parameters_active", size.active,
      config.moe.num_experts > 0 ? "parameters_total - routed experts' x (E - K) / E, E = " +
                                       std::to_string(config.moe.num_experts) +
                                       ", K = " + std::to_string(config.moe.experts_per_token)
                                 : "parameters_total: the model is dense");
  add("parameters_active_no_embedding", size.active - size.embedding,
      config.tie_embeddings
          ? "parameters_active - vocab_size x hidden_size, although the table is the head too"
          : "parameters_active - vocab_size x hidden_size");
  if (config.num_mtp_layers > 0) {
    add("parameters_mtp", size.mtp,
        "not in the lines above: per multi-token-prediction layer one decoder layer + 2 "
        "hidden_size^2 + 3 hidden_size; its embedding and head are the model's own");
  }
}

std::string DescribeWindows(const ModelConfig& config) {
  const int64_t window = config.attention.sliding_window;
  if (window == 0 || window >= config.max_positions) return "";
  int64_t windowed = 0;
  for (int64_t i = 0; i < config.num_layers; ++i) windowed += config.attention.WindowOf(i) != 0;
  return "; " + std::to_string(windowed) + " of " + std::to_string(config.num_layers) +
         " layers keep and read the last " + std::to_string(window) + " tokens of a sequence alone";
}

void AddBytes(const ModelConfig& config, std::vector<PlanLine>& plan) {
  const auto add = [&](const std::string& key, policy::Dtype dtype, const std::string& formula) {
    const auto bytes = static_cast<double>(policy::MeasureFolder(config, dtype).total);
    plan.push_back({key, bytes, Gigabytes(bytes), formula});
  };
  add("bytes_float32", policy::Dtype::kFloat32, "4 x parameters_total");
  add("bytes_bfloat16", policy::Dtype::kBFloat16, "2 x parameters_total, selection biases in fp32");
  if (policy::HasFp8Form(config)) {
    add("bytes_fp8", policy::Dtype::kFloat8E4m3,
        "1 byte a weight and an fp32 scale for each block of 128 x 128 of it; embedding, head, "
        "gates, biases and norms in bfloat16");
  }
  const auto cached = static_cast<double>(2 * policy::CachedValues(config, 1));
  plan.push_back(
      {"kv_bytes_per_token", cached, Number(cached),
       (config.attention.latent() ? "layers x (kv_lora_rank + qk_rope_head_dim) x 2 bytes, bfloat16"
        : config.linear.layers.empty()
            ? "layers x 2 (key, value) x kv_heads x head_dim x 2 bytes, bfloat16"
            : "full_attention layers x 2 (key, value) x kv_heads x head_dim x 2 bytes, "
              "bfloat16") +
           DescribeWindows(config)});
  if (config.linear.layers.empty()) return;
  const auto state = static_cast<double>(4 * policy::RecurrentValues(config));
  plan.push_back(
      {"state_bytes_per_sequence", state, Number(state),
       "linear_attention layers x (value heads x key_dim x value_dim + (conv_width - 1) x "
       "channels) x 4 bytes, float32, of any length"});
}

void AddTrainingMemory(const ModelConfig& config, const TrainingLayout& layout,
                       std::vector<PlanLine>& plan) {
  const RankMemory memory = MemoryPerRank(config, layout);
  const auto add = [&](const std::string& key, double bytes, const std::string& formula) {
    plan.push_back({key, bytes, Gigabytes(bytes), formula});
  };
  const std::string spread = "tensor " + std::to_string(layout.tensor) + ", data " +
                             std::to_string(layout.data) + ", expert " +
                             std::to_string(layout.expert);
  add("training_weights_bytes_per_rank", memory.weights,
      "2 bytes (bfloat16) x (dense / tensor + routed experts / (tensor x expert)); " + spread);
  add("training_gradients_bytes_per_rank", memory.gradients, "4 bytes (fp32) x the same");
  add("training_optimizer_bytes_per_rank", memory.optimizer,
      "12 bytes (fp32 master weights, two AdamW moments) x the same, spread over the ranks with "
      "the same parameters: data for the dense ones, data / expert for experts (ZeRO 1)");
  add("training_activations_bytes_per_rank", memory.activations,
      "2 bytes x layers x hidden_size x " + std::to_string(layout.microbatch_tokens) +
          " tokens a micro-batch: layer inputs, the rest is computed again");
  add("training_bytes_per_rank", memory.total(),
      "the four above; all matrices split evenly, no buffers for communication");
}

std::string DescribeRows(const LocalRun& run) {
  return std::to_string(run.prompts) + " prompts of " + std::to_string(run.prompt_tokens) +
         " tokens" +
         (run.measured_rows > 0 ? " (the mean of " + std::to_string(run.measured_rows) + " rows)"
                                : "") +
         " x " + std::to_string(run.group_size) + " completions of " +
         std::to_string(run.new_tokens);
}

std::string DescribeTrained(const LocalRun& run) {
  std::string out = "the largest optimizer step has " + std::to_string(run.step_tokens()) +
                    " tokens, of " + (run.grpo ? DescribeRows(run) : "");
  if (run.grpo && run.updates > 1) out += " in " + std::to_string(run.updates) + " updates";
  if (run.demonstrations == 0) return out;
  return out + (run.grpo ? ", or of " : "") + std::to_string(run.demonstrations) +
         " demonstrations of " + std::to_string(run.demonstration_tokens);
}

std::string DescribeRecomputed(const ModelConfig& config, const LocalRun& run) {
  const int64_t layers = RecomputedLayers(config, run);
  if (layers == 0) return "";
  return "of the first " + std::to_string(layers) + " of " + std::to_string(config.num_layers) +
         " layers the inputs alone, within optimizer.activation_memory_mb; ";
}

void AddLocalMemory(const ModelConfig& config, const LocalRun& run, std::vector<PlanLine>& plan) {
  const LocalMemory memory = MemoryOf(config, run);
  const auto add = [&](const std::string& key, double bytes, const std::string& formula) {
    plan.push_back({key, bytes, Gigabytes(bytes), formula});
  };
  const bool adapters = run.adapter_parameters > 0;
  const std::string trained =
      adapters ? std::to_string(run.adapter_parameters) + " parameters of adapters" : "all of them";
  const std::string stored = run.rollout_dtype == policy::Dtype::kFloat32 ? "4" : "2";
  add("run_weights_bytes", memory.weights,
      "`cohort train` on one machine: " +
          std::string(run.masters ? "4 bytes a parameter" : "2 bytes a parameter, no masters") +
          ", tensors on whole pages of 2 MiB");
  add("run_gradients_bytes", memory.gradients, "the same of " + trained);
  add("run_optimizer_bytes", memory.optimizer,
      std::string(run.bf16_moments ? "4" : "8") +
          " bytes a trained parameter: two AdamW moments, each in one block");
  add("run_reference_bytes", memory.reference,
      !run.reference ? "0: no KL term, so no reference policy"
      : adapters ? "a KL term needs the policy of the round's start: a copy of the adapters, or "
                   "the policy without them while they are fresh"
                 : "as run_weights_bytes: a KL term needs a second policy");
  add("run_merged_bytes", memory.merged,
      adapters ? "at most 4 bytes a parameter: weights with adapters added, as they are published"
               : "0: no adapters");
  add("run_images_bytes", memory.images,
      "the published image: " + stored + " bytes a parameter, in shared memory");
  add("run_activations_bytes", memory.activations,
      "4 bytes x " + std::to_string(policy::KeptActivationsPerToken(config)) +
          " numbers kept a token, and a layer's gradients, x tokens of a micro-batch of at most " +
          std::to_string(run.microbatch_tokens) + " or one sequence; " +
          DescribeRecomputed(config, run) + DescribeTrained(run));
  add("run_logits_bytes", memory.logits,
      "4 bytes x vocab_size x (rows of logits that are kept, or a chunk, and a chunk of their "
      "gradient" +
          std::string(adapters ? ")" : ", and the head's gradient)"));
  add("run_spare_bytes", memory.spare,
      "0.08 (measured) x all of these but the images: freed blocks that fit no tensor of the "
      "moment");
  add("run_learner_bytes", memory.learner(),
      "the nine above + " + Gigabytes(memory.program) + " of programs");
  add("run_worker_bytes", memory.worker(),
      "of one worker: " + stored +
          " bytes a parameter, once more for the published image that it "
          "maps, + " +
          Gigabytes(memory.worker_cache) + " of KV cache (fp32, " + DescribeRows(run) +
          (run.evaluated > 0 ? ", or " + std::to_string(run.evaluated) + " held-out problems"
                             : "") +
          ", at most rollout.kv_cache_mb) + " + Gigabytes(memory.worker_program) + " of programs");
  add("run_rewards_bytes", memory.rewards,
      "measured: the reward service, without plug-ins and programs that it starts");
  add("training_bytes_one_process", memory.total(run.workers),
      "run_learner_bytes + " + std::to_string(run.workers) +
          " x (run_worker_bytes without the image, which is the learner's) + run_rewards_bytes");
}

void AddLocalStep(const ModelConfig& config, const PlanOptions& options,
                  std::vector<PlanLine>& plan) {
  const LocalStep step = StepOf(config, options.run, options.machine, options.utilization);
  const auto add = [&](const std::string& key, double seconds, const std::string& formula) {
    plan.push_back({key, seconds, Short(seconds, " s"), formula});
  };
  char rate[96];
  std::snprintf(rate, sizeof(rate), "%.4g of %s FLOP/s in fp32", options.utilization,
                Short(options.machine.fp32_flops).c_str());
  add("step_prefill_s", step.prefill_s,
      "a GRPO step of " + DescribeRows(options.run) + " on " + options.machine.name +
          ": a prompt's forward pass once for its group, at the machine's full rate");
  add("step_decode_s", step.decode_s,
      "sequences x new tokens / tokens a second of decoding, as decode_tokens_per_s has it");
  add("step_old_logprobs_s", step.old_logprobs_s,
      "a forward pass of all but the first of " + std::to_string(options.run.updates) +
          " updates at " + rate);
  add("step_ref_logprobs_s", step.ref_logprobs_s,
      options.run.reference ? "a forward pass of all tokens at the same rate"
                            : "0: no KL term, so no reference policy");
  add("step_forward_backward_s", step.forward_backward_s,
      std::string("training_flops_per_token x tokens") +
          (options.run.adapter_parameters > 0 ? " x 2 / 3, as the weights need no gradient" : "") +
          (RecomputedLayers(config, options.run) > 0 ? ", and the recomputed layers' forward again"
                                                     : "") +
          " at the same rate");
  add("step_optimizer_s", step.optimizer_s,
      "updates x " +
          std::to_string((options.run.masters ? 12 : 6) + (options.run.bf16_moments ? 8 : 16)) +
          " bytes a trained parameter / machine_read_bytes_per_s");
  add("step_publish_s", step.publish_s,
      "bytes of weights read, image written, and image and weights of each worker / the same");
  add("step_s", step.total(),
      "the seven above: a lower bound, without rewards and what else a step waits for");
}

void AddTrainingCost(const ModelConfig& config, const PlanOptions& options,
                     std::vector<PlanLine>& plan) {
  const double flops = TrainingFlopsPerToken(config, options.training_context);
  plan.push_back({"training_flops_per_token", flops, Short(flops),
                  "6 x active parameters in matrix products + 3 x causal attention over a context "
                  "of " +
                      std::to_string(options.training_context)});
  const TrainingCost cost =
      CostOfTraining(flops, options.training_tokens, options.machine, options.utilization);
  char assumption[160];
  std::snprintf(assumption, sizeof(assumption), "%s tokens on %s at %.4g of %s FLOP/s in bf16",
                Short(options.training_tokens).c_str(), options.machine.name.c_str(),
                options.utilization, Short(options.machine.bf16_flops).c_str());
  const PublishedRun published;
  plan.push_back({"training_device_hours", cost.device_hours, Short(cost.device_hours),
                  std::string("training_flops_per_token x ") + assumption +
                      " (0.3894 is DeepSeek-V3's, arXiv 2505.09343)"});
  char price[64];
  std::snprintf(price, sizeof(price), "training_device_hours x $%.4g",
                options.machine.dollars_per_hour);
  plan.push_back({"training_dollars", cost.dollars, "$" + Short(cost.dollars), price});
  plan.push_back({"published_device_hours_deepseek_v3", published.device_hours, "2.788M",
                  "for comparison: H800 hours of DeepSeek-V3, 2.664M of them pre-training on 14.8T "
                  "tokens (arXiv 2412.19437 table 1)"});
}

void AddServing(const ModelConfig& config, const PlanOptions& options,
                std::vector<PlanLine>& plan) {
  const DecodeRoofline roofline = PlanDecoding(config, options.machine, options.load);
  const auto add = [&](const std::string& key, double value, const std::string& text,
                       const std::string& formula) {
    plan.push_back({key, value, text, formula});
  };
  const double devices = static_cast<double>(roofline.devices);
  add("decode_devices", devices, Number(devices),
      options.load.devices > 0
          ? options.machine.name + ", as given"
          : "the fewest " + options.machine.name + " that hold the weights in " +
                std::string(policy::NameOf(options.load.dtype)) + " and the cache, filled to 90 %");
  const double batch = static_cast<double>(options.load.batch);
  if (config.moe.num_experts > 0) {
    add("decode_experts_read", roofline.experts_read, Number(roofline.experts_read),
        "a MoE layer's in one step: E (1 - (1 - K / E)^batch), uniform routing, batch " +
            Number(batch));
  }
  const double read = roofline.weight_bytes + roofline.cache_bytes;
  add("decode_bytes_per_step", read, Gigabytes(read),
      "weights of the dense part and of the experts read + batch x context x kv_bytes_per_token, "
      "context " +
          std::to_string(options.load.context) + DescribeWindows(config));
  add("decode_flops_per_step", roofline.flops, Short(roofline.flops),
      "batch x (2 x active parameters in matrix products + attention over the context" +
          std::string(config.attention.latent() ? ", absorbed form)" : ")"));
  add("decode_tokens_per_s", roofline.tokens_per_s, Number(roofline.tokens_per_s),
      std::string("an upper bound: batch / max(bytes / bandwidth, operations / rate), bound by ") +
          (roofline.bandwidth_s >= roofline.arithmetic_s ? "bandwidth" : "arithmetic") +
          "; communication is free");
  char speeds[160];
  std::snprintf(speeds, sizeof(speeds), "per device; %s", options.machine.source.c_str());
  add("machine_read_bytes_per_s", options.machine.read_bytes_per_s,
      Gigabytes(options.machine.read_bytes_per_s) + "/s", speeds);
  const double dollars = DollarsPerMillionTokens(roofline, options.machine);
  char price[96];
  std::snprintf(price, sizeof(price),
                "devices x $%.4g an hour / (decode_tokens_per_s x 3600) x 1e6",
                options.machine.dollars_per_hour);
  add("dollars_per_million_tokens", dollars, "$" + Number(dollars),
      std::string(price) + ": a lower bound, decoding alone and always this full");
}

}  // namespace

std::vector<PlanLine> MakePlan(const ModelConfig& config, const PlanOptions& options) {
  CheckLayout(config, options.layout);
  std::vector<PlanLine> plan;
  AddSize(config, plan);
  AddBytes(config, plan);
  AddTrainingMemory(config, options.layout, plan);
  AddLocalMemory(config, options.run, plan);
  AddTrainingCost(config, options, plan);
  AddLocalStep(config, options, plan);
  AddServing(config, options, plan);
  return plan;
}

nlohmann::json PlanToJson(const std::vector<PlanLine>& plan) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  nlohmann::json out, formulas;
  for (const PlanLine& line : plan) {
    const bool whole = line.value == std::floor(line.value) && std::abs(line.value) < kExact;
    out[line.key] =
        whole ? nlohmann::json(static_cast<int64_t>(line.value)) : nlohmann::json(line.value);
    formulas[line.key] = line.formula;
  }
  out["formulas"] = formulas;
  return out;
}

std::string PlanToText(const std::vector<PlanLine>& plan) {
  std::string out;
  for (const PlanLine& line : plan) {
    char start[96];
    std::snprintf(start, sizeof(start), "%-36s %12s  ", line.key.c_str(), line.text.c_str());
    out += start + line.formula + "\n";
  }
  return out;
}

}  // namespace cohort::rl
