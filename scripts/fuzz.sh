#!/usr/bin/env bash
# fuzz.sh [SECONDS] [TARGET...]: builds the libFuzzer targets (preset fuzz: clang, ASan, UBSan) and runs each
# for so long, 20 s without a number, from seeds that are good inputs. Ends non-zero at the first finding; the input
# that did it lies in build/fuzz/findings/.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
shift || true
cmake --preset fuzz >/dev/null
cmake --build build/fuzz --target fuzz_targets
programs=build/fuzz/tests/fuzz corpus=build/fuzz/corpus findings=build/fuzz/findings
mkdir -p "$findings"
"$programs/make_seeds" "$corpus"
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(cd "$programs" && ls | grep '_fuzz$')
for target in "${targets[@]}"; do
  mkdir -p "$corpus/$target"
  log=$findings/$target.log
  if ! "$programs/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -max_len=65536 \
    -artifact_prefix="$findings/$target-" "$corpus/$target" >"$log" 2>&1; then
    tail -40 "$log" >&2
    echo "fuzz: $target found something; see $log" >&2
    exit 1
  fi
  echo "$target: $(grep -E '^Done ' "$log"), no finding"
done
