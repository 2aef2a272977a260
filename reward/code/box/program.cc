// cohort-box: starts a sandbox (`launch`, outside) and is its first process (`init`, inside).

#include <cstring>

#include "reward/code/box/launch.h"

int main(int argc, char** argv) {
  if (argc >= 2 && std::strcmp(argv[1], "init") == 0) {
    return cohort::reward::judge::RunBoxInit(argc == 3 && std::strcmp(argv[2], "weak") == 0);
  }
  return cohort::reward::judge::LaunchBox(argc, argv);
}
