#!/usr/bin/env bash
# Runs one recipe for a few tiny steps, then checks what the run folder holds.
#   short_recipe.sh COHORT RECIPE OUT [key=value ...]
# Exit 77 (skipped) when the recipe needs data that is not on this machine.
set -euo pipefail
cohort=$1 recipe=$2 out=$3
shift 3
overrides=(eval.problems=8 output.checkpoint_every=2 "$@")
rounds=$(grep -c '^ *- kind:\|^ *- {kind:' "$recipe")
for ((i = 0; i < rounds; i++)); do
  overrides+=("rounds[$i].steps=2" "rounds[$i].prompts_per_step=4" "rounds[$i].group_size=2"
    "rounds[$i].sequences_per_step=4")
done
if grep -q 'scratch:' "$recipe"; then
  # A new model answers nothing right before it has seen some demonstrations, and a rejection_sft
  # round needs right answers.
  overrides+=("rounds[0].steps=40" "rounds[0].sequences_per_step=64")
  if grep -q 'kind: rejection_sft' "$recipe"; then overrides+=("rounds[2].prompts_per_step=256"); fi
else
  overrides+=("rollout.max_new_tokens=12")
fi
if grep -q 'upcycle:' "$recipe"; then
  overrides+=("model.upcycle.experts=2" "rounds[0].sequences_per_step=2")  # 6 GB instead of 10
fi
if grep -q 'data.train=' "$recipe"; then
  data=$(dirname "$0")/../../../shared/data
  if [ ! -f "$data/gsm8k_train.jsonl" ]; then
    echo "SKIPPED: $recipe needs the GSM8K files, which are not at $data"
    exit 77
  fi
  overrides+=("data.train=$data/gsm8k_train.jsonl" "data.test=$data/gsm8k_test.jsonl")
fi
rm -rf "$out"
"$cohort" train "$recipe" --out "$out" "${overrides[@]}"

lines() { grep -c "$1" "$out/metrics.jsonl"; }
[ "$(lines '"eval_accuracy"')" -eq $((rounds + 1)) ] || { echo "expected $((rounds + 1)) evaluations"; exit 1; }
[ "$(lines '"train_s"')" -ge $((2 * rounds)) ] || { echo "expected $((2 * rounds)) steps"; exit 1; }
for file in recipe.resolved.yaml provenance.json samples.jsonl; do
  [ -s "$out/$file" ] || { echo "$file is missing"; exit 1; }
done
ls "$out"/checkpoints/step-*/model/model.safetensors >/dev/null
rm -rf "$out/checkpoints"  # gigabytes
echo "ok: $recipe"
