#pragma once

// The subcommands of `cohort`, a file of its name each. argv[0] is the subcommand's name. They
// return the exit status, or throw Error (exit status by its code).

namespace cohort::rl {

int RunTrain(int argc, char** argv);
int RunEval(int argc, char** argv);
int RunGenerate(int argc, char** argv);
int RunScore(int argc, char** argv);
int RunTokenize(int argc, char** argv);
int RunGrade(int argc, char** argv);
int RunReward(int argc, char** argv);
int RunObjective(int argc, char** argv);
int RunProblems(int argc, char** argv);
int RunConvert(int argc, char** argv);
int RunReplay(int argc, char** argv);
int RunBench(int argc, char** argv);
int RunPlan(int argc, char** argv);
int RunDoctor(int argc, char** argv);

}  // namespace cohort::rl
