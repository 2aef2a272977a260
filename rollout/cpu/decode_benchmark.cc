#include "rollout/cpu/decode_benchmark.h"

#include <algorithm>
#include <utility>

#include "base/counter_random.h"
#include "base/error.h"
#include "rollout/cpu/cpu_decoder.h"

namespace cohort::rollout {

namespace {

std::vector<GroupRequest> Requests(const policy::ModelConfig& config,
                                   const DecodeBenchmark& benchmark, int32_t batch,
                                   int32_t repeat = 0) {
  std::vector<GroupRequest> requests;
  const int32_t groups = benchmark.shared_prompt ? 1 : batch;
  for (int32_t group = 0; group < groups; ++group) {
    GroupRequest request;
    request.group_id = static_cast<uint64_t>(group);
    for (int32_t i = 0; i < benchmark.prompt_tokens; ++i) {
      const double uniform =
          base::UniformDraw(1 + static_cast<uint64_t>(repeat), static_cast<uint64_t>(group),
                            static_cast<uint64_t>(i));
      request.prompt_ids.push_back(
          static_cast<int32_t>(uniform * static_cast<double>(config.vocab_size)));
    }
    for (int32_t sample = 0; sample < batch / groups; ++sample) {
      request.sample_ids.push_back(static_cast<uint64_t>(group + sample));
    }
    request.sampling.max_new_tokens = benchmark.decodes ? benchmark.new_tokens : 1;
    requests.push_back(std::move(request));
  }
  return requests;
}

void Check(const DecodeBenchmark& benchmark) {
  const bool sized = benchmark.prompt_tokens >= 1 && benchmark.repeats >= 1 &&
                     !benchmark.batches.empty() &&
                     *std::min_element(benchmark.batches.begin(), benchmark.batches.end()) >= 1;
  if (sized && (!benchmark.decodes || benchmark.new_tokens >= 2)) return;
  throw Error(
      ErrorCode::kUsage,
      "nothing to measure: batches, prompt tokens and repeats must be at least 1, new tokens "
      "to decode at least 2");
}

DecodeSpeed MeasureOnce(Decoder& decoder, int32_t batch, std::vector<GroupRequest> requests) {
  const DecoderStats before = decoder.stats();
  GenerateAll(decoder, std::move(requests));
  const DecoderStats after = decoder.stats();
  const auto rate = [](uint64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  return {batch,
          rate(after.decode_tokens - before.decode_tokens,
               after.decode_seconds - before.decode_seconds),
          rate(after.prefill_tokens - before.prefill_tokens,
               after.prefill_seconds - before.prefill_seconds)};
}

}  // namespace

DecodeBenchmarkResult RunDecodeBenchmark(const policy::ModelConfig& config,
                                         policy::WeightSource& weights,
                                         const DecodeBenchmark& benchmark) {
  Check(benchmark);
  DecoderOptions options = benchmark.decoder;
  const int32_t largest = *std::max_element(benchmark.batches.begin(), benchmark.batches.end());
  options.max_running = std::max(options.max_running, largest);
  DecodeBenchmarkResult result;
  {
    kernels::ThreadPool pool(options.num_threads);
    result.threads = pool.size();
    result.rates = kernels::MeasureMachineRates(pool);
  }
  Decoder decoder = MakeCpuDecoder(config, weights, options, 0);
  GenerateAll(decoder, Requests(config, benchmark, 1));  // warm-up: pages, scratch memory, threads
  for (const int32_t batch : benchmark.batches) {
    DecodeSpeed& best = result.speeds.emplace_back(DecodeSpeed{batch});
    for (int32_t repeat = 0; repeat < benchmark.repeats; ++repeat) {
      const DecodeSpeed once =
          MeasureOnce(decoder, batch, Requests(config, benchmark, batch, repeat));
      best.decode_tokens_per_s = std::max(best.decode_tokens_per_s, once.decode_tokens_per_s);
      best.prefill_tokens_per_s = std::max(best.prefill_tokens_per_s, once.prefill_tokens_per_s);
    }
  }
  return result;
}

}  // namespace cohort::rollout
