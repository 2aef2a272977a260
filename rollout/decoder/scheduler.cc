#include "rollout/decoder/scheduler.h"

#include <algorithm>

#include "base/error.h"

namespace cohort::rollout {

namespace {
using kernels::kBlockTokens;
}

Scheduler::Scheduler(const SchedulerLimits& limits, KvCache& cache)
    : limits_(limits), cache_(cache) {}

void Scheduler::Submit(std::unique_ptr<Group> group) { queued_.push_back(std::move(group)); }

bool Scheduler::FitsAlone(int64_t tokens) const {
  // One more: the group may keep the partly filled end of its prompt beside the sample's copy.
  return BlocksFor(tokens) + 1 <= cache_.num_blocks();
}

std::vector<PlannedTokens> Scheduler::Plan() {
  std::vector<PlannedTokens> plan;
  ForkWaiting();
  PlanDecode(plan);
  const auto decode_rows = static_cast<int64_t>(plan.size());
  const int64_t budget =
      std::max<int64_t>(decode_rows == 0 ? 1 : 0, limits_.tokens_per_step - decode_rows);
  PlanPrefill(plan, budget);
  if (plan.empty() && !idle()) ForceOldest(plan);
  return plan;
}

void Scheduler::ForkWaiting() {
  for (const auto& group : active_) {
    if (!group->first_tokens_drawn || !group->prompt_ready()) continue;
    for (Sample& sample : group->samples) {
      if (sample.state != SampleState::kWaiting) continue;
      // In order: nobody younger slips past a sample that found no room.
      if (running_ >= limits_.max_running || !Fork(*group, sample, false)) return;
    }
  }
}

bool Scheduler::Fork(Group& group, Sample& sample, bool must) {
  const int64_t whole = group.prompt_length() / kBlockTokens;
  const bool has_part = group.prompt_length() % kBlockTokens != 0;
  const int64_t tokens = group.prompt_length() + static_cast<int64_t>(sample.ids.size());
  // Room for what the sample has now, and some for the running ones to grow into.
  if (!must && cache_.free_blocks() < BlocksFor(tokens) - whole + running_ / 8) return false;
  const bool last = group.Count(SampleState::kWaiting) == 1;
  while (has_part && !last && cache_.free_blocks() == 0) {
    if (!must || !Reclaim(group, &sample)) return false;
  }
  sample.blocks.assign(group.prompt_blocks.begin(), group.prompt_blocks.begin() + whole);
  for (const int32_t block : sample.blocks) cache_.Retain(block);
  if (has_part && last) {
    sample.blocks.push_back(group.prompt_blocks.back());
    group.prompt_blocks.pop_back();
    group.prompt_computed = whole * kBlockTokens;
  } else if (has_part) {
    sample.blocks.push_back(cache_.CopyOf(group.prompt_blocks.back()));
  }
  sample.state = SampleState::kRunning;
  sample.computed = 0;
  ++running_;
  return true;
}

void Scheduler::PlanDecode(std::vector<PlannedTokens>& plan) {
  for (const auto& group : active_) {
    for (Sample& sample : group->samples) {
      if (sample.state != SampleState::kRunning || sample.remaining() != 1) continue;
      const int64_t tokens = group->prompt_length() + static_cast<int64_t>(sample.ids.size());
      if (Grow(sample.blocks, tokens, *group, &sample, true)) {
        plan.push_back({group.get(), &sample, sample.computed, 1});
      } else {
        Preempt(sample);  // it is the youngest itself
      }
    }
  }
}

void Scheduler::PlanPrefill(std::vector<PlannedTokens>& plan, int64_t budget) {
  Admit();
  for (const auto& group : active_) {
    const int64_t waiting = group->Count(SampleState::kWaiting);
    if (waiting > 0 && !group->prompt_ready() && budget > 0)
      PlanPrompt(*group, budget, plan, false);
    for (Sample& sample : group->samples) {
      if (sample.state != SampleState::kRunning || sample.remaining() <= 1 || budget <= 0) continue;
      const int64_t prompt = group->prompt_length();
      const int64_t wanted = std::min(budget, sample.remaining());
      Grow(sample.blocks, prompt + sample.computed + wanted, *group, &sample, false);
      const int64_t room =
          static_cast<int64_t>(sample.blocks.size()) * kBlockTokens - prompt - sample.computed;
      const int64_t count = std::min(wanted, room);
      if (count <= 0) continue;
      plan.push_back({group.get(), &sample, sample.computed, static_cast<int32_t>(count)});
      budget -= count;
    }
  }
}

// Starts queued groups while there are places for their samples and blocks for their prompts.
void Scheduler::Admit() {
  while (!queued_.empty()) {
    Group& next = *queued_.front();
    if (!active_.empty()) {
      const bool stalled = std::any_of(active_.begin(), active_.end(), [](const auto& group) {
        return group->first_tokens_drawn && group->Count(SampleState::kWaiting) > 0;
      });
      const int64_t places = limits_.max_running - running_ - PendingSamples();
      if (stalled || places <= 0) return;
      int64_t blocks = BlocksFor(next.prompt_length());
      blocks += std::min(places, static_cast<int64_t>(next.samples.size())) + running_ / 8;
      for (const auto& group : active_) {  // prompts that are still to grow
        const int64_t have = static_cast<int64_t>(group->prompt_blocks.size());
        if (!group->first_tokens_drawn) {
          blocks += BlocksFor(group->prompt_length()) - have +
                    static_cast<int64_t>(group->samples.size());
        }
      }
      if (cache_.free_blocks() < blocks) return;
    }
    active_.push_back(std::move(queued_.front()));
    queued_.pop_front();
  }
}

bool Scheduler::PlanPrompt(Group& group, int64_t& budget, std::vector<PlannedTokens>& plan,
                           bool must) {
  const int64_t missing =
      BlocksFor(group.prompt_length()) - static_cast<int64_t>(group.prompt_blocks.size());
  if (!must && group.first_tokens_drawn) {
    // Computed again for preempted samples: only once they can start, lest it be dropped and
    // redone.
    const bool room = cache_.free_blocks() >= missing + 2 + running_ / 8;
    if (running_ >= limits_.max_running || !room) return false;
  }
  const int64_t wanted = std::min(budget, group.prompt_length() - group.prompt_computed);
  Grow(group.prompt_blocks, group.prompt_computed + wanted, group, nullptr, must);
  const int64_t room =
      static_cast<int64_t>(group.prompt_blocks.size()) * kBlockTokens - group.prompt_computed;
  const int64_t count = std::min(wanted, room);
  if (count <= 0) return false;
  plan.push_back({&group, nullptr, group.prompt_computed, static_cast<int32_t>(count)});
  budget -= count;
  return true;
}

bool Scheduler::Grow(BlockTable& table, int64_t tokens, const Group& group, const Sample* sample,
                     bool must) {
  while (static_cast<int64_t>(table.size()) < BlocksFor(tokens)) {
    const int32_t block = cache_.Allocate();
    if (block >= 0) {
      table.push_back(block);
    } else if (!must || !Reclaim(group, sample)) {
      return false;
    }
  }
  return true;
}

// Frees something for (group, sample): the prompt of another group that has nothing running,
// youngest first, else the youngest running sample behind this one. A null sample comes before all
// of its group.
bool Scheduler::Reclaim(const Group& group, const Sample* sample) {
  for (auto it = active_.rbegin(); it != active_.rend(); ++it) {
    Group& other = **it;
    if (&other == &group || other.prompt_blocks.empty()) continue;
    if (other.Count(SampleState::kRunning) > 0) continue;
    DropPrompt(other);
    return true;
  }
  for (auto it = active_.rbegin(); it != active_.rend(); ++it) {
    for (auto victim = (*it)->samples.rbegin(); victim != (*it)->samples.rend(); ++victim) {
      if (&*victim == sample) return false;
      if (victim->state != SampleState::kRunning) continue;
      Preempt(*victim);
      return true;
    }
    if (it->get() == &group) return false;
  }
  return false;
}

void Scheduler::Preempt(Sample& sample) {
  cache_.ReleaseAll(sample.blocks);
  sample.state = SampleState::kWaiting;
  sample.computed = 0;
  --running_;
  ++preemptions_;
}

void Scheduler::DropPrompt(Group& group) {
  cache_.ReleaseAll(group.prompt_blocks);
  group.prompt_computed = 0;
}

// Nothing fits beside what is there: the oldest group goes on, at the cost of all younger ones. It
// fits alone, so this cannot fail.
void Scheduler::ForceOldest(std::vector<PlannedTokens>& plan) {
  COHORT_CHECK(!active_.empty(), "groups are queued, none was admitted");
  Group& group = *active_.front();
  int64_t budget = std::max(1, limits_.tokens_per_step);
  Sample* sample = nullptr;
  for (Sample& candidate : group.samples) {
    if (candidate.state == SampleState::kRunning) sample = &candidate;
    if (sample != nullptr) break;
  }
  if (sample == nullptr && !group.prompt_ready()) {
    PlanPrompt(group, budget, plan, true);
  } else {
    for (Sample& candidate : group.samples) {
      if (sample == nullptr && candidate.state == SampleState::kWaiting) sample = &candidate;
    }
    COHORT_CHECK(sample != nullptr, "a finished group was not dropped");
    const bool ready = sample->state == SampleState::kRunning || Fork(group, *sample, true);
    const int64_t count = std::min(budget, sample->remaining());
    const int64_t tokens = group.prompt_length() + sample->computed + count;
    if (ready && Grow(sample->blocks, tokens, group, sample, true)) {
      plan.push_back({&group, sample, sample->computed, static_cast<int32_t>(count)});
    }
  }
  COHORT_CHECK(!plan.empty(), "the oldest group does not fit in the KV cache");
}

void Scheduler::Finish(Sample& sample) {
  if (sample.state == SampleState::kRunning) --running_;
  cache_.ReleaseAll(sample.blocks);
  sample.state = SampleState::kFinished;
}

void Scheduler::DropFinishedGroups() {
  for (auto it = active_.begin(); it != active_.end();) {
    Group& group = **it;
    if (group.Count(SampleState::kFinished) == static_cast<int64_t>(group.samples.size())) {
      DropPrompt(group);
      it = active_.erase(it);
    } else {
      ++it;
    }
  }
}

void Scheduler::Cancel(uint64_t group_id) {
  std::erase_if(queued_, [&](const auto& group) { return group->request.group_id == group_id; });
  for (const auto& group : active_) {
    if (group->request.group_id != group_id) continue;
    for (Sample& sample : group->samples) Finish(sample);
  }
  DropFinishedGroups();
}

void Scheduler::CancelAll() {
  queued_.clear();
  for (const auto& group : active_) {
    for (Sample& sample : group->samples) Finish(sample);
  }
  DropFinishedGroups();
}

int64_t Scheduler::PendingSamples() const {
  int64_t pending = 0;
  for (const auto& group : active_) pending += group->Count(SampleState::kWaiting);
  return pending;
}

int64_t Scheduler::num_waiting() const {
  int64_t waiting = PendingSamples();
  for (const auto& group : queued_) waiting += static_cast<int64_t>(group->samples.size());
  return waiting;
}

}  // namespace cohort::rollout
