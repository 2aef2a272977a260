#include "rollout/cpu/decode_benchmark.h"

#include <algorithm>

#include "base/counter_random.h"
#include "base/error.h"
#include "rollout/cpu/cpu_decoder.h"

namespace cohort::rollout {

namespace {

std::vector<GroupRequest> Requests(const policy::ModelConfig& config,
                                   const DecodeBenchmark& benchmark, int32_t batch) {
  std::vector<GroupRequest> requests;
  const int32_t groups = benchmark.shared_prompt ? 1 : batch;
  for (int32_t group = 0; group < groups; ++group) {
    GroupRequest request;
    request.group_id = static_cast<uint64_t>(group);
    for (int32_t i = 0; i < benchmark.prompt_tokens; ++i) {
      const double uniform =
          base::UniformDraw(1, static_cast<uint64_t>(group), static_cast<uint64_t>(i));
      request.prompt_ids.push_back(
          static_cast<int32_t>(uniform * static_cast<double>(config.vocab_size)));
    }
    for (int32_t sample = 0; sample < batch / groups; ++sample) {
      request.sample_ids.push_back(static_cast<uint64_t>(group + sample));
    }
    request.sampling.max_new_tokens = benchmark.new_tokens;
    requests.push_back(std::move(request));
  }
  return requests;
}

}  // namespace

DecodeBenchmarkResult RunDecodeBenchmark(const policy::ModelConfig& config,
                                         policy::WeightSource& weights,
                                         const DecodeBenchmark& benchmark) {
  if (benchmark.prompt_tokens < 1 || benchmark.new_tokens < 2 || benchmark.batches.empty() ||
      *std::min_element(benchmark.batches.begin(), benchmark.batches.end()) < 1) {
    throw Error(ErrorCode::kUsage,
                "a decode benchmark needs batches and prompt tokens of at least 1 and new tokens "
                "of at least 2");
  }
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
    const DecoderStats before = decoder.stats();
    GenerateAll(decoder, Requests(config, benchmark, batch));
    const DecoderStats after = decoder.stats();
    const auto rate = [](uint64_t tokens, double seconds) {
      return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
    };
    result.speeds.push_back({batch,
                             rate(after.decode_tokens - before.decode_tokens,
                                  after.decode_seconds - before.decode_seconds),
                             rate(after.prefill_tokens - before.prefill_tokens,
                                  after.prefill_seconds - before.prefill_seconds)});
  }
  return result;
}

}  // namespace cohort::rollout
