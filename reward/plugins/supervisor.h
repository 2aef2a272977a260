#pragma once

// The first process of cohort-plugin-host: it outlives the plug-in's process by as long as cleaning
// up behind it takes.

#include <sys/types.h>

namespace cohort::reward {

// Forks. The child returns in a process group of its own, with TMPDIR naming a fresh folder; it
// dies when the supervisor does. The supervisor never returns: when the child ends or the lifeline
// closes, it kills every process that descends from the child (new sessions and orphans too),
// removes the folder and ends as the child did.
void ForkUnderSupervisor();

}  // namespace cohort::reward
