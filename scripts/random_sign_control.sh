#!/usr/bin/env bash
# random_sign_control.sh [SEEDS]: in how many real runs does the conflict monitor speak of a loss that has no direction?
# Trains a tiny detector for one epoch of 48 steps, each of them probed, with loss.planted.kind = random_sign, once per seed (default
# 100, about a minute), counts the runs with a line of kind "alarm" of any level, and ends with 1 when a rule that speaks in 5 % of
# runs would do so as often or more in fewer than 1 % of experiments. Compares with negative_det, which must always be reported.
# Runs that are complete are not repeated. KTRAIN names the program, RUNS the folder.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-100}
ktrain=${KTRAIN:-build/release/ktrain} runs=${RUNS:-runs}/random_sign
mkdir -p "$runs"
plan=$runs/tiny.cfg
cat >"$plan" <<PLAN
[data]
preset = "synth"
root = "$(realpath "$runs")/data"
size = [64, 64]
synth = { train_pairs = 96, val_pairs = 3, size = [64, 64], empty = 0.0, seed = 5 }
workers = 1
[model]
depth = 18
width = 0.0625
fpn_channels = 16
frozen_stages = 0
norm = "batch"
anchor_scale = 2.0
rpn = { nms_pre = 50, nms_pre_test = 50, max_proposals = 30, samples = 32 }
roi = { samples = 16, fc_channels = 16, pool = 3 }
[optimizer]
lr = 1e-3
clip = 5.0
[train]
epochs = 1
batch = 2
[loss.planted]
weight = 2
[monitor]
interval = 1
burst = 0
budget_pct = 10000
sketch = 256
half_every = 2
PLAN

lines() { # kind seed line-kind
  local run=$runs/$1_$2
  "$ktrain" "$plan" --quiet --set threads=1 --set "seed=$2" --set "loss.planted.kind=$1" --set "output.dir=$run" >/dev/null
  grep -c "\"kind\":\"$3\"" "$run/monitor.jsonl" || true
}

spoke=0 probes=0
for ((seed = 1; seed <= seeds; ++seed)); do
  alarms=$(lines random_sign "$seed" alarm)
  probes=$((probes + $(lines random_sign "$seed" probe)))
  if ((alarms > 0)); then
    spoke=$((spoke + 1))
    echo "seed $seed: $alarms alarm lines in $runs/random_sign_$seed/monitor.jsonl"
  fi
done
planted=$(lines negative_det 1 alarm)
((planted > 0)) || { echo "a planted conflict was not reported: $runs/negative_det_1"; exit 1; }
awk -v k="$spoke" -v n="$seeds" -v probes="$probes" -v planted="$planted" 'BEGIN {
  p = 0.05; term = (1 - p) ^ n; below = 0
  for (i = 0; i < k; ++i) { below += term; term *= (n - i) / (i + 1) * p / (1 - p) }
  printf "random_sign: %d of %d runs spoke (%d probes); at 5 %% as many or more in %.3g of experiments; negative_det: %d alarm lines\n",
    k, n, probes, 1 - below, planted
  exit 1 - below < 0.01
}'
