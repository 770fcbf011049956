#!/usr/bin/env bash
# compare_streams.sh [SEED ...]: the fused detector and both single-stream baselines at equal budget, and a table.
# Default seeds 1 2 3: about half an hour on two cores. Runs that are complete are not repeated.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=("${@:-1}"); (($#)) || seeds=(1 2 3)
plans=(plan_a thermal_only visible_only)
for seed in "${seeds[@]}"; do
  for plan in "${plans[@]}"; do
    build/release/ktrain "configs/$plan.cfg" --runs "runs/seed$seed" --set "seed=$seed" --quiet
  done
done
echo "| plan | mAP by seed ${seeds[*]} | mean | miss rate by seed | mean |"
echo "|---|---|---|---|---|"
for plan in "${plans[@]}"; do
  for seed in "${seeds[@]}"; do tail -n 1 "runs/seed$seed/$plan/results.csv"; done |
    awk -F, -v plan="$plan" '{map = map " " sprintf("%.3f", $5); m += $5; mr = mr " " sprintf("%.3f", $8); r += $8}
      END {printf "| %s |%s | %.3f |%s | %.3f |\n", plan, map, m / NR, mr, r / NR}'
done
