#pragma once

#include <span>
#include <vector>

#include "reward/grader.h"

namespace cohort::reward {

// One running process of a plug-in. Owned by one thread at a time.
class PluginWorker {
 public:
  virtual ~PluginWorker() = default;

  // A grade for each sample, all of them within the budget. Never throws for what the plug-in does.
  virtual std::vector<Grade> Score(std::span<const Sample* const> samples,
                                   const Budget& budget) = 0;
  // Whether several samples at once are one call of the plug-in's function.
  virtual bool takes_batches() const { return false; }
  // False once it crashed, hung or broke the protocol; it is then gone and reaped.
  virtual bool alive() const = 0;
  // The signal by which somebody else ended it (a user, the kernel short of memory), so that the
  // samples are not at fault; 0: nobody did.
  virtual int killed_by() const = 0;
};

}  // namespace cohort::reward
