// cohort-reward: the reward service.

#include <signal.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>

#include "base/console_log.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/rpc_token.h"
#include "base/setting_names.h"
#include "reward/code/box/sandbox.h"
#include "reward/service/server.h"

namespace {

constexpr std::chrono::milliseconds kDrainLimit(25'000);

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

struct ServiceFlags {
  cohort::reward::ServerSettings settings;
  std::string port_file;
  std::string token_file;
  bool no_token = false;
};

void AddFlags(CLI::App* app, ServiceFlags* flags) {
  cohort::reward::ServerSettings* const settings = &flags->settings;
  app->add_option("--listen", settings->listen, "HOST:PORT or unix:PATH; port 0 picks a free one")
      ->capture_default_str();
  app->add_option("--port-file", flags->port_file,
                  "write the address here once the service listens");
  app->add_option("--workers", settings->workers, "graders at once; 0: one for each core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app->add_flag("--insecure-listen", settings->insecure_listen,
                "allow an address that other machines can reach; nothing is encrypted");
  app->add_option("--token-file", flags->token_file,
                  "of a TCP port: the secret that callers show; made where there is none "
                  "(default ~/.cache/cohort/tokens/PORT)");
  app->add_flag("--no-token", flags->no_token, "whoever can connect may call; without plug-ins");
  app->add_flag("--allow-plugins", settings->allow_plugins,
                "load `custom` rewards even then: whoever may call may run code here");
  app->add_flag_callback(
      "--allow-weak-sandbox", [] { cohort::reward::judge::Sandbox::AllowWeak(true); },
      "run code even where cohort doctor finds a protection missing");
  app->footer(
      "Example:\n  cohort-reward --listen 127.0.0.1:7070 --workers 4\n"
      "SIGTERM finishes the running calls and exits; a second one exits at once.");
}

int Serve(ServiceFlags flags) {
  // Blocked before any thread starts, so that only sigwait below sees them.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  cohort::base::ServiceToken token(flags.settings.listen, {flags.token_file, flags.no_token});
  flags.settings.token = token.secret();
  flags.settings.open_to_all_users = flags.no_token;
  cohort::reward::Server server(flags.settings);
  token.Write(server.address());
  if (!flags.port_file.empty()) cohort::base::WriteFileDurably(flags.port_file, server.address());
  spdlog::info("reward service listens on {} with {} graders", server.address(), server.workers());
  if (!token.secret().empty()) spdlog::info("callers show the token in {}", token.file().string());
  int received = 0;
  sigwait(&signals, &received);
  spdlog::info("stopping: finishing the running calls");
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  server.Drain(kDrainLimit);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  cohort::base::LogToStderr("cohort-reward");
  CLI::App app("Scores completions: texts in, verdicts out, over gRPC (reward.proto).",
               "cohort-reward");
  ServiceFlags flags;
  AddFlags(&app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return Serve(flags);
  } catch (const cohort::Error& error) {
    const std::vector<cohort::base::SettingName> names = {
        {"rollout.allow_weak_sandbox=true", "--allow-weak-sandbox"}};
    return cohort::ReportError(cohort::base::InOwnWords(error, names));
  } catch (const std::exception& error) {
    return cohort::ReportError(error);
  }
}
