#include "rl/commands/tokenize_benchmark.h"

#include <time.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <vector>

#include "base/durable_file.h"
#include "base/error.h"
#include "policy/tokenizer/word_cache.h"
#include "rl/data/problem_generator.h"

namespace cohort::rl {
namespace {

double ThreadCpuSeconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::vector<std::string> WordProblemTexts() {
  constexpr uint64_t kCount = 2000;
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < kCount; ++i) {
    const Problem problem = GenerateProblem(proto::Data::GENERATOR_WORD_PROBLEMS, /*seed=*/1, i);
    texts.push_back(problem.prompt + " " + problem.completion);
  }
  return texts;
}

std::vector<std::string> ReadTexts(const std::string& file) {
  std::vector<std::string> texts;
  std::istringstream lines(base::ReadFile(file));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) texts.push_back(line);
  }
  if (texts.empty()) throw Error(ErrorCode::kUsage, file + ": no line of text");
  return texts;
}

// CPU seconds of the fastest pass. `before` runs before every text and does not count.
template <typename Before, typename Work>
double FastestPass(int passes, size_t texts, Before&& before, Work&& work) {
  double fastest = std::numeric_limits<double>::infinity();
  for (int pass = 0; pass < passes; ++pass) {
    double seconds = 0;
    for (size_t i = 0; i < texts; ++i) {
      before();
      const double start = ThreadCpuSeconds();
      work(i);
      seconds += ThreadCpuSeconds() - start;
    }
    fastest = std::min(fastest, seconds);
  }
  return fastest;
}

}  // namespace

nlohmann::json RunTokenizeBenchmark(const policy::Tokenizer& tokenizer,
                                    const TokenizeBenchmark& benchmark) {
  const std::vector<std::string> texts =
      benchmark.file.empty() ? WordProblemTexts() : ReadTexts(benchmark.file);
  std::vector<std::vector<int32_t>> ids(texts.size());
  const auto nothing = [] {};
  const auto encode = [&](size_t i) { ids[i] = tokenizer.Encode(texts[i]); };
  policy::WordCache& cache = policy::WordCache::OfThisThread();
  const double cold = FastestPass(
      benchmark.passes, texts.size(), [&] { cache.Clear(); }, encode);
  const double warm = FastestPass(benchmark.passes + 1, texts.size(), nothing, encode);
  size_t decoded_bytes = 0;
  const double decode = FastestPass(benchmark.passes, texts.size(), nothing, [&](size_t i) {
    decoded_bytes += tokenizer.Decode(ids[i]).size();
  });
  size_t bytes = 0, tokens = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    bytes += texts[i].size();
    tokens += ids[i].size();
  }
  COHORT_CHECK(decoded_bytes > 0, "tokens stand for text");
  const auto rate = [&](double seconds) { return static_cast<double>(tokens) / seconds; };
  return {{"texts", texts.size()},
          {"bytes", bytes},
          {"tokens", tokens},
          {"encode_cold_tokens_per_s", rate(cold)},
          {"encode_warm_tokens_per_s", rate(warm)},
          {"decode_tokens_per_s", rate(decode)}};
}

}  // namespace cohort::rl
