#!/usr/bin/env bash
# calibrate_quality.sh [QUALITY ...]: how much visible images of each quality are worth alone, against thermal ones.
# Trains configs/experiment/calibrate.cfg once per quality and once on thermal images (SEEDS, default "1"), then gives the
# qualities at which a visible-only detector is as good as a thermal-only one, 10 and 25 points of AP worse, by linear
# interpolation in quality (the logarithm of photons). Runs that are complete are not repeated.
set -euo pipefail
cd "$(dirname "$0")/.."
qualities=("$@"); (($#)) || qualities=(0.0 0.15 0.3 0.45 0.6 0.8 1.0)
read -ra seeds <<<"${SEEDS:-1}"
runs=${RUNS:-runs}/calibrate
ktrain=${KTRAIN:-build/release/ktrain}

train() { # stream quality seed
  "$ktrain" configs/experiment/calibrate.cfg --quiet --set "seed=$3" --set "model.streams=$1" \
    --set "data.synth.quality=$2" --set "data.root=datasets/experiment/q$2" --set "output.dir=$runs/$1_$2_$3" >/dev/null
  tail -n 1 "$runs/$1_$2_$3/results.csv" | cut -d, -f5
}

mean_map() { # stream quality
  for seed in "${seeds[@]}"; do train "$1" "$2" "$seed"; done | awk '{sum += $1} END {printf "%.4f", sum / NR}'
}

thermal=$(mean_map thermal "${qualities[-1]}")
echo "thermal only: mAP $thermal (seeds ${seeds[*]})"
echo "quality photons visible-only-mAP"
for quality in "${qualities[@]}"; do
  echo "$quality $(awk -v q="$quality" 'BEGIN {printf "%.0f", 4 * 1000 ^ q}') $(mean_map visible "$quality")"
done | tee "$runs/table.txt"
awk -v thermal="$thermal" '
  {quality[NR] = $1; map[NR] = $3}
  END {
    for (gap = 0; gap <= 25; gap += gap ? 15 : 10) {
      wanted = thermal - gap / 100; found = ""
      for (i = 1; i < NR; ++i)
        if ((map[i] - wanted) * (map[i + 1] - wanted) <= 0 && map[i] != map[i + 1])
          found = quality[i] + (wanted - map[i]) / (map[i + 1] - map[i]) * (quality[i + 1] - quality[i])
      printf "mAP %.4f (thermal - %2d): quality %s\n", wanted, gap, found == "" ? "out of range" : sprintf("%.3f", found)
    }
  }' "$runs/table.txt"
