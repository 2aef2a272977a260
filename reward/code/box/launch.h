#pragma once

namespace cohort::reward::judge {

// cohort-box launch UID CGROUPS PROGRAM ARGUMENTS...: joins the cgroups (a comma-separated list of
// their cgroup.procs files, "-" for none), becomes the user UID ("-" to stay) without any
// supplementary group, and replaces itself by PROGRAM with an empty environment. Returns only on
// failure, after one line on stderr.
int LaunchBox(int argc, char** argv);

// cohort-box init: the first process of a box; serves protocol.h on kControlFd until the judge
// closes it. The whole box dies with it. `weak` (cohort-box init weak): there are no namespaces: it
// is not process 1, its work folder is a temporary one of the machine without a quota, and what it
// starts is found among the machine's processes.
int RunBoxInit(bool weak);

}  // namespace cohort::reward::judge
