#include "rl/fleet/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace cohort::rl {
namespace {

std::atomic<int> requests{0};

void OnSignal(int) {
  if (requests.fetch_add(1) > 0) _exit(4);
  constexpr char kText[] = "\nstopping after this step; once more to leave now\n";
  [[maybe_unused]] const ssize_t ignored = write(2, kText, sizeof(kText) - 1);
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool InterruptRequested() { return requests.load() > 0; }

}  // namespace cohort::rl
