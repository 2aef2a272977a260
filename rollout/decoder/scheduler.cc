#include "rollout/decoder/scheduler.h"

#include <algorithm>

#include "base/error.h"

namespace cohort::rollout {

Scheduler::Scheduler(const SchedulerLimits& limits, BlockPool& pool, int64_t num_states)
    : limits_(limits), pool_(pool), states_(num_states) {
  if (!states_.has_states()) return;
  limits_.max_running =
      static_cast<int32_t>(std::min<int64_t>(limits_.max_running, states_.samples()));
}

void Scheduler::Submit(std::unique_ptr<SequenceGroup> group) {
  queued_.push_back(std::move(group));
}

bool Scheduler::FitsAlone(int64_t tokens) const {
  return pool_.LeastRoom(tokens) <= pool_.num_blocks();
}

// Blocks that the running samples are left to grow into.
int64_t Scheduler::Headroom() const { return running_ / 8 * pool_.num_tables(); }

std::vector<PlannedTokens> Scheduler::Plan() {
  std::vector<PlannedTokens> plan;
  if (limits_.rope_boundary > 0) PartGrown();
  if (pool_.has_windows()) DropUnseen();
  StartWaiting();
  PlanDecode(&plan);
  const auto decode_rows = static_cast<int64_t>(plan.size());
  const int64_t budget =
      std::max<int64_t>(decode_rows == 0 ? 1 : 0, limits_.tokens_per_step - decode_rows);
  PlanPrefill(budget, &plan);
  if (plan.empty() && !idle()) ForceOldest(&plan);
  return plan;
}

// A sample that has grown beyond the boundary gives its blocks back and is computed again by
// itself.
void Scheduler::PartGrown() {
  for (const auto& group : active_) {
    const int64_t prompt = group->prompt_length();
    if (prompt > limits_.rope_boundary) continue;
    for (Sequence& sample : group->samples) {
      const bool grown = prompt + std::ssize(sample.ids) > limits_.rope_boundary;
      if (sample.apart || !grown || sample.state == SequenceState::kFinished) continue;
      sample.apart = true;
      pool_.Release(&sample.blocks);
      sample.computed = -prompt;
    }
    if (group->first_tokens_drawn && group->CountForked(SequenceState::kWaiting) == 0 &&
        group->CountForked(SequenceState::kRunning) == 0) {
      DropPrompt(*group);
    }
  }
}

void Scheduler::DropUnseen() {
  for (const auto& group : active_) {
    for (Sequence& sample : group->samples) {
      pool_.DropUnseen(&sample.blocks, group->prompt_length() + sample.computed);
    }
    const bool lone = group->first_tokens_drawn &&
                      group->CountForked(SequenceState::kWaiting) == 0 &&
                      group->CountForked(SequenceState::kRunning) == 1;
    if (lone) {
      // It shares nothing with others: its prompt's window would be kept for its preemption alone.
      DropPrompt(*group);
    } else {
      // The partly filled end of a prompt may be computed again.
      const int64_t whole = group->prompt_length() / pool_.block_tokens() * pool_.block_tokens();
      pool_.DropUnseen(&group->prompt_blocks, std::min(group->prompt_computed, whole));
    }
  }
}

void Scheduler::StartWaiting() {
  for (const auto& group : active_) {
    if (!group->first_tokens_drawn) continue;
    for (Sequence& sample : group->samples) {
      if (sample.state != SequenceState::kWaiting) continue;
      if (!sample.apart && !group->prompt_ready()) continue;
      // In order: nobody younger slips past a sample that found no room.
      if (running_ >= limits_.max_running || !Start(*group, sample, false)) return;
    }
  }
}

bool Scheduler::Start(SequenceGroup& group, Sequence& sample, bool must) {
  const int64_t prompt = group.prompt_length();
  if (!sample.apart) {
    if (!Fork(group, sample, must)) return false;
  } else if (!must) {
    const int64_t missing =
        pool_.Missing({}, prompt + std::ssize(sample.ids), limits_.tokens_per_step);
    if (pool_.free_blocks() < missing + Headroom()) return false;
  }
  sample.state = SequenceState::kRunning;
  sample.computed = sample.apart ? -prompt : 0;
  ++running_;
  return true;
}

bool Scheduler::Fork(SequenceGroup& group, Sequence& sample, bool must) {
  const int64_t whole = group.prompt_length() / pool_.block_tokens();
  const bool has_part = group.prompt_length() % pool_.block_tokens() != 0;
  const int64_t tokens = group.prompt_length() + static_cast<int64_t>(sample.ids.size());
  // Room for what the sample has so far, and some for the running ones to grow into.
  const int64_t missing =
      pool_.Missing({}, tokens - whole * pool_.block_tokens(), limits_.tokens_per_step);
  if (!must && pool_.free_blocks() < missing + Headroom()) return false;
  const bool last = group.CountForked(SequenceState::kWaiting) == 1;
  const auto lacks_room = [&] {
    const bool no_state = states_.has_states() && running_ >= states_.samples();
    return no_state || (has_part && !last && pool_.free_blocks() < pool_.num_tables());
  };
  while (lacks_room()) {
    if (!must || !Reclaim({group, &sample, must})) return false;
  }
  sample.blocks = pool_.Fork(&group.prompt_blocks, group.prompt_length(),
                             last ? PartlyFilled::kMove : PartlyFilled::kCopy);
  sample.recurrent =
      last ? states_.Move(&group.prompt_recurrent) : states_.Copy(group.prompt_recurrent);
  if (states_.has_states() && last) {
    DropPrompt(group);  // no state is left from which it could be gone on with
  } else if (has_part && last) {
    group.prompt_computed = whole * pool_.block_tokens();
  }
  return true;
}

void Scheduler::PlanDecode(std::vector<PlannedTokens>* plan) {
  for (const auto& group : active_) {
    for (Sequence& sample : group->samples) {
      if (sample.state != SequenceState::kRunning || sample.remaining() != 1) continue;
      const int64_t tokens = group->prompt_length() + static_cast<int64_t>(sample.ids.size());
      if (Grow({*group, &sample, true}, tokens, &sample.blocks)) {
        plan->push_back({group.get(), &sample, sample.computed, 1});
      } else {
        Preempt(sample);  // it is the youngest itself
      }
    }
  }
}

void Scheduler::PlanPrefill(int64_t budget, std::vector<PlannedTokens>* plan) {
  Admit();
  for (const auto& group : active_) {
    const int64_t waiting = group->CountForked(SequenceState::kWaiting);
    if (waiting > 0 && !group->prompt_ready() && budget > 0)
      budget -= PlanPrompt(*group, budget, false, plan);
    for (Sequence& sample : group->samples) {
      if (sample.state != SequenceState::kRunning || sample.remaining() <= 1 || budget <= 0)
        continue;
      budget -= PlanSample(*group, sample, budget, false, plan);
    }
  }
}

// Starts queued groups while there are places for their samples and blocks for their prompts.
void Scheduler::Admit() {
  while (!queued_.empty()) {
    SequenceGroup& next = *queued_.front();
    if (!active_.empty()) {
      const bool stalled = std::any_of(active_.begin(), active_.end(), [](const auto& group) {
        return group->first_tokens_drawn && group->Count(SequenceState::kWaiting) > 0;
      });
      const int64_t places = limits_.max_running - running_ - PendingSamples();
      if (stalled || places <= 0) return;
      int64_t blocks = BlocksToStart(next, std::min(places, std::ssize(next.samples))) + Headroom();
      for (const auto& group : active_) {  // prompts that are still to grow
        if (!group->first_tokens_drawn) blocks += BlocksToStart(*group, std::ssize(group->samples));
      }
      if (pool_.free_blocks() < blocks) return;
    }
    active_.push_back(std::move(queued_.front()));
    queued_.pop_front();
  }
}

// Blocks for what is left of the prompt and for the first token of so many samples.
int64_t Scheduler::BlocksToStart(const SequenceGroup& group, int64_t samples) const {
  return pool_.Missing(group.prompt_blocks, group.prompt_length(), limits_.tokens_per_step) +
         samples * pool_.num_tables();
}

int64_t Scheduler::PlanPrompt(SequenceGroup& group, int64_t budget, bool must,
                              std::vector<PlannedTokens>* plan) {
  if (!must && group.first_tokens_drawn) {
    // Computed again for preempted samples: only once they can start, lest it be dropped and
    // redone.
    const bool room = pool_.free_blocks() >= BlocksToStart(group, 2) + Headroom();
    if (running_ >= limits_.max_running || !room) return 0;
  }
  while (group.prompt_recurrent == kNoState && !states_.has_room_for_prompt()) {
    if (!must || !Reclaim({group, nullptr, must})) return 0;
  }
  const int64_t wanted = std::min(budget, group.prompt_length() - group.prompt_computed);
  Grow({group, nullptr, must}, group.prompt_computed + wanted, &group.prompt_blocks);
  const int64_t count =
      std::min(wanted, pool_.Covered(group.prompt_blocks) - group.prompt_computed);
  if (count <= 0) return 0;
  if (group.prompt_recurrent == kNoState) group.prompt_recurrent = states_.TakeForPrompt();
  plan->push_back({&group, nullptr, group.prompt_computed, static_cast<int32_t>(count)});
  return count;
}

int64_t Scheduler::PlanSample(SequenceGroup& group, Sequence& sample, int64_t budget, bool must,
                              std::vector<PlannedTokens>* plan) {
  // Tokens of the prompt and of the sample's own are not planned at once.
  const int64_t left = sample.computed < 0 ? -sample.computed : sample.remaining();
  const int64_t wanted = std::min(budget, left), done = group.prompt_length() + sample.computed;
  Grow({group, &sample, must}, done + wanted, &sample.blocks);
  const int64_t count = std::min(wanted, pool_.Covered(sample.blocks) - done);
  if (count <= 0) return 0;
  plan->push_back({&group, &sample, sample.computed, static_cast<int32_t>(count)});
  return count;
}

bool Scheduler::Grow(const Claim& claim, int64_t tokens, BlockTables* tables) {
  while (pool_.Covered(*tables) < tokens) {
    if (!pool_.Extend(tables) && (!claim.must || !Reclaim(claim))) return false;
  }
  return true;
}

// Frees something for the claim: the prompt of another group that no running sample shares,
// youngest first, else the youngest running sample behind this one.
bool Scheduler::Reclaim(const Claim& claim) {
  for (auto it = active_.rbegin(); it != active_.rend(); ++it) {
    if (it->get() != &claim.group && DropUnsharedPrompt(**it)) return true;
  }
  for (auto it = active_.rbegin(); it != active_.rend(); ++it) {
    for (auto victim = (*it)->samples.rbegin(); victim != (*it)->samples.rend(); ++victim) {
      if (&*victim == claim.sample) {
        return victim->state == SequenceState::kRunning && DropUnsharedPrompt(**it);
      }
      if (victim->state != SequenceState::kRunning) continue;
      Preempt(*victim);
      return true;
    }
    if (it->get() == &claim.group) return false;
  }
  return false;
}

void Scheduler::Preempt(Sequence& sample) {
  pool_.Release(&sample.blocks);
  states_.ReleaseSample(&sample.recurrent);
  sample.state = SequenceState::kWaiting;
  sample.computed = 0;
  --running_;
  ++preemptions_;
}

bool Scheduler::DropUnsharedPrompt(SequenceGroup& group) {
  const bool shared =
      std::any_of(group.samples.begin(), group.samples.end(), [&](const Sequence& sample) {
        return sample.state == SequenceState::kRunning && SharesPrompt(group, sample);
      });
  if (group.prompt_blocks.empty() || shared) return false;
  DropPrompt(group);
  return true;
}

// Not where the sample is apart, or goes on from a prompt that was dropped and is computed again.
bool Scheduler::SharesPrompt(const SequenceGroup& group, const Sequence& sample) const {
  if (sample.apart) return false;
  const BlockTables &theirs = group.prompt_blocks, &own = sample.blocks;
  for (size_t i = 0; i < theirs.size() && i < own.size(); ++i) {
    // Without a whole block, or where a window has left the first, nothing tells.
    if (group.prompt_length() < pool_.block_tokens() || theirs[i].empty() || own[i].empty()) break;
    if (theirs[i][0] != kNoBlock && own[i][0] != kNoBlock) return theirs[i][0] == own[i][0];
  }
  return true;
}

void Scheduler::DropPrompt(SequenceGroup& group) {
  pool_.Release(&group.prompt_blocks);
  states_.ReleasePrompt(&group.prompt_recurrent);
  group.prompt_computed = 0;
}

// Nothing fits beside what is there: the oldest group goes on, at the cost of all younger ones. It
// fits alone, so this cannot fail.
void Scheduler::ForceOldest(std::vector<PlannedTokens>* plan) {
  COHORT_CHECK(!active_.empty(), "groups are queued, none was admitted");
  SequenceGroup& group = *active_.front();
  const int64_t budget = std::max(1, limits_.tokens_per_step);
  const auto first = [&](SequenceState state) {
    return std::find_if(group.samples.begin(), group.samples.end(),
                        [&](const Sequence& sample) { return sample.state == state; });
  };
  auto sample = first(SequenceState::kRunning);
  if (sample == group.samples.end()) sample = first(SequenceState::kWaiting);
  COHORT_CHECK(sample != group.samples.end(), "a finished group was not dropped");
  const bool running = sample->state == SequenceState::kRunning;
  if (!running && !sample->apart && !group.prompt_ready()) {
    PlanPrompt(group, budget, true, plan);
  } else if (running || Start(group, *sample, true)) {
    PlanSample(group, *sample, budget, true, plan);
  }
  COHORT_CHECK(!plan->empty(), "the oldest group does not fit in the KV cache");
}

void Scheduler::Finish(Sequence& sample) {
  if (sample.state == SequenceState::kRunning) --running_;
  pool_.Release(&sample.blocks);
  states_.ReleaseSample(&sample.recurrent);
  sample.state = SequenceState::kFinished;
}

void Scheduler::DropFinishedGroups() {
  for (auto it = active_.begin(); it != active_.end();) {
    SequenceGroup& group = **it;
    if (group.Count(SequenceState::kFinished) == static_cast<int64_t>(group.samples.size())) {
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
    for (Sequence& sample : group->samples) Finish(sample);
  }
  DropFinishedGroups();
}

void Scheduler::CancelAll() {
  queued_.clear();
  pool_.TakeCopies();  // of a plan that was not carried out
  states_.TakeCopies();
  for (const auto& group : active_) {
    for (Sequence& sample : group->samples) Finish(sample);
  }
  DropFinishedGroups();
}

int64_t Scheduler::PendingSamples() const {
  int64_t pending = 0;
  for (const auto& group : active_) pending += group->Count(SequenceState::kWaiting);
  return pending;
}

int64_t Scheduler::num_waiting() const {
  int64_t waiting = PendingSamples();
  for (const auto& group : queued_) waiting += static_cast<int64_t>(group->samples.size());
  return waiting;
}

}  // namespace cohort::rollout
