// cohort-reward: the reward service.

#include <signal.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/stderr_log.h"
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

void AddFlags(CLI::App* app, cohort::reward::ServerSettings* settings, std::string* port_file) {
  app->add_option("--listen", settings->listen, "HOST:PORT or unix:PATH; port 0 picks a free one")
      ->capture_default_str();
  app->add_option("--port-file", *port_file, "write the address here once the service listens");
  app->add_option("--workers", settings->workers, "graders at once; 0: one for each core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app->add_flag("--insecure-listen", settings->insecure_listen,
                "allow an address that other machines can reach, without a password");
  app->add_flag("--allow-plugins", settings->allow_plugins,
                "load `custom` rewards even then: whoever connects may run code here");
  app->add_flag_callback(
      "--allow-weak-sandbox", [] { cohort::reward::judge::Sandbox::AllowWeak(true); },
      "run code even where cohort doctor finds a protection missing");
  app->footer(
      "Example:\n  cohort-reward --listen 127.0.0.1:7070 --workers 4\n"
      "SIGTERM finishes the running calls and exits; a second one exits at once.");
}

int Serve(const cohort::reward::ServerSettings& settings, const std::string& port_file) {
  // Blocked before any thread starts, so that only sigwait below sees them.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  cohort::reward::Server server(settings);
  if (!port_file.empty()) cohort::base::WriteFileDurably(port_file, server.address());
  spdlog::info("reward service listens on {} with {} graders", server.address(), server.workers());
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
  cohort::reward::ServerSettings settings;
  std::string port_file;
  AddFlags(&app, &settings, &port_file);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return Serve(settings, port_file);
  } catch (const std::exception& error) {
    return cohort::ReportError(error);
  }
}
