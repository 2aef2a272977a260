#pragma once

namespace cohort::rl {

// Ctrl-C (SIGINT) and SIGTERM: the first asks the run to finish its step, save and stop; the second
// leaves at once (the last checkpoint holds).
void CatchInterrupts();
bool InterruptRequested();

}  // namespace cohort::rl
