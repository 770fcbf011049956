#!/usr/bin/env bash
# gpu_check.sh [FOLDER]: everything that wants a GPU, in one command and under nine minutes, from the folder that
# `cmake --build build/cuda --target cuda_carry` filled (default: where this script lies, or build/cuda/carry). Needs a driver
# and no toolkit; compute-sanitizer and python3 with torch are used where they are. Ends with a table of what passed, failed
# and was skipped and why; logs, tables and dumps lie in $OUT (default FOLDER/results).
#   exit 0  all passed      1  something failed      2  no GPU, or an empty folder      3  nothing failed, something was skipped
# KT_CHECK_SECONDS=530 is the time for all, KT_CHECK_LIMIT an upper limit for every line, KT_CHECK_ONLY a regex of lines.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$([[ -x $here/test_cuda ]] && echo "$here" || echo "$here/../build/cuda/carry")}
folder=$(cd "$folder" 2>/dev/null && pwd) || { echo "gpu_check: there is no folder ${1:-build/cuda/carry}; build the target cuda_carry"; exit 2; }
out=${OUT:-$folder/results}
mkdir -p "$out/state"
out=$(cd "$out" && pwd)
rm -f "$out"/state/*
begin=$SECONDS
total=${KT_CHECK_SECONDS:-530}
lines=()
python=${KT_PYTHON:-python3}

# put NAME STATE SECONDS TEXT: the line's result. States: passed, failed, skipped.
put() { printf '%s\t%s\t%s\n' "$2" "$3" "${4//$'\t'/ }" >"$out/state/$1"; }

left() { echo $((total - (SECONDS - begin))); }

# last_words LOG PATTERN: the last line that fits, else the last that is not empty.
last_words() { { grep -aE -- "$2" "$1" || grep -a . "$1"; } 2>/dev/null | tail -n 1 | cut -c1-160; }

# wanted NAME: notes the line for the table; false when KT_CHECK_ONLY leaves it out.
wanted() {
  lines+=("$1")
  [[ -z "${KT_CHECK_ONLY:-}" || $1 =~ $KT_CHECK_ONLY ]] && return 0
  put "$1" skipped 0 "not asked for (KT_CHECK_ONLY)"
  return 1
}

# perform NAME LIMIT PATTERN COMMAND...: runs it and puts the result. PATTERN says which line of its output is told. Exit 77 is a
# skip, and so is a program that refuses (KT-SYS-003: the step has no CUDA form yet); its words are told.
perform() {
  local name=$1 limit=$2 pattern=$3 log=$out/$1.log start=$SECONDS status=0 rest
  shift 3
  rest=$(left)
  limit=$((limit < rest ? limit : rest))
  limit=$((limit < ${KT_CHECK_LIMIT:-9999} ? limit : ${KT_CHECK_LIMIT:-9999}))
  if ((limit < 1)); then
    put "$name" skipped 0 "no time left of $total s"
    return
  fi
  timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null || status=$?
  local seconds=$((SECONDS - start))
  case $status in
    0) put "$name" passed $seconds "$(last_words "$log" "$pattern")" ;;
    77) put "$name" skipped $seconds "$(last_words "$log" '^SKIPPED')" ;;
    124 | 137) put "$name" failed $seconds "not done after $limit s: $(last_words "$log" "$pattern")" ;;
    *)
      if grep -aq 'KT-SYS-003' "$log"; then
        put "$name" skipped $seconds "refused: $(last_words "$log" 'KT-SYS-003')"
      else
        put "$name" failed $seconds "exit $status: $(last_words "$log" 'FAILED|ERROR SUMMARY|rror')"
      fi
      ;;
  esac
}

# check NAME LIMIT PATTERN COMMAND...: the same for a line of its own.
check() { wanted "$1" && perform "$@"; }
# skip NAME TEXT
skip() { wanted "$1" && put "$1" skipped 0 "$2"; }

table() {
  local name state seconds text failed=0 skipped=0 passed=0
  printf '\n| check | state | s | what it said |\n|---|---|---|---|\n'
  for name in "${lines[@]}"; do
    IFS=$'\t' read -r state seconds text <"$out/state/$name" 2>/dev/null || { state=failed seconds=0 text="left no result"; }
    printf '| %s | %s | %s | %s |\n' "$name" "$state" "$seconds" "${text//|/\\|}"
    case $state in passed) passed=$((passed + 1)) ;; skipped) skipped=$((skipped + 1)) ;; *) failed=$((failed + 1)) ;; esac
  done
  printf '\n%d passed, %d failed, %d skipped; %d s; logs in %s\n' $passed $failed $skipped $((SECONDS - begin)) "$out"
  ((failed == 0)) || return 1
  ((skipped == 0)) || return 3
}
finish() { table | tee "$out/table.md"; exit "${PIPESTATUS[0]}"; }

for program in test_cuda kt_bench ktrain; do
  [[ -x $folder/$program ]] || { echo "gpu_check: $folder has no $program; build the target cuda_carry"; exit 2; }
done
gpu=$("$folder/kt_bench" --gpu 2>&1) || {
  echo "gpu_check: NO GPU: $gpu"
  echo "Nothing was checked. Run this on a machine with an NVIDIA GPU and its driver."
  exit 2
}
echo "gpu_check: $gpu; $(nvidia-smi --query-gpu=driver_version,clocks.sm,power.draw --format=csv,noheader 2>/dev/null || echo "no nvidia-smi")"

# cuDNN and cuBLAS come with PyTorch's wheels.
if [[ -z "${KT_RIVALS:-}" ]]; then
  packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' 2>/dev/null) || packages=
  KT_RIVALS=$(find "${packages:-/nonexistent}/nvidia" -maxdepth 2 -name lib -type d 2>/dev/null | paste -sd:)
  export KT_RIVALS
fi

check tests 150 'PASSED|FAILED' env KT_REQUIRE_GPU=1 "$folder/test_cuda" --gtest_brief=1

# The CPU's run of plan A, for comparison, beside everything that is not timed.
cpu_run=
if [[ -z "${KT_CHECK_ONLY:-}" || plan_a =~ ${KT_CHECK_ONLY:-} ]]; then
  (cd "$out" && timeout -k 5 "$total" "$folder/ktrain" plan_a.cfg --quiet --runs "$out/cpu" --set device=cpu --set threads=8 \
    >"$out/plan_a_cpu.log" 2>&1 </dev/null) &
  cpu_run=$!
fi

# Small shapes; side by side, since a sanitizer keeps a core busy more than the GPU.
sanitizer=$(command -v compute-sanitizer || { [[ -x $folder/compute-sanitizer ]] && echo "$folder/compute-sanitizer"; } ||
  { [[ -x /usr/local/cuda/bin/compute-sanitizer ]] && echo /usr/local/cuda/bin/compute-sanitizer; } || true)
jobs=()
for tool in memcheck racecheck synccheck initcheck; do
  if [[ -z $sanitizer ]]; then
    skip "$tool" "no compute-sanitizer here"
  elif wanted "$tool"; then
    # Tests let allocations fail on purpose: errors of the API are theirs to report.
    options=(--tool "$tool" --error-exitcode 9)
    [[ $tool == memcheck ]] && options+=(--report-api-errors no)
    perform "$tool" 200 'ERROR SUMMARY|RACECHECK SUMMARY|PASSED' env KT_REQUIRE_GPU=1 KT_TEST_SCALE=64 "$sanitizer" "${options[@]}" \
      "$folder/test_cuda" --gtest_brief=1 &
    jobs+=($!)
  fi
done
((${#jobs[@]} == 0)) || wait "${jobs[@]}"

if [[ -x $folder/dump_instructions ]]; then
  mkdir -p "$out/instructions"
  check instructions 20 . "$folder/dump_instructions" "$out/instructions"
else
  skip instructions "no dump_instructions in the folder"
fi

# Two runs on the GPU leave the same weights, byte by byte. Before the benchmarks: this must not wait for another day.
train() { (cd "$out" && "$folder/ktrain" plan_a.cfg --quiet --runs "$out/$1" --set device=cuda); }
twice() {
  train gpu && train gpu_again || return
  local weights
  weights=$(cd "$out/gpu/plan_a" && find weights -name '*.safetensors' | sort)
  [[ -n $weights ]] || { echo "no weights in $out/gpu/plan_a"; return 1; }
  for file in $weights; do cmp "$out/gpu/plan_a/$file" "$out/gpu_again/plan_a/$file" || return 1; done
  echo "same bytes in $(wc -w <<<"$weights") files"
}
export -f train twice
export folder out
check same_bits 120 . bash -c twice

# kernel_table NAME SECONDS FILTER: cases that the filter lets through, as NAME.md and NAME.csv.
kernel_table() {
  "$folder/kt_bench" --device=cuda --markdown --seconds=0.05 --budget="$2" --benchmark_filter="$3" \
    --benchmark_out="$out/$1.csv" --benchmark_out_format=csv >"$out/$1.md" || return
  echo "$(grep -c '^| [a-z]' "$out/$1.md") cases in $1.md$(sed -n 's/^- not measured, \([0-9]* cases: no time.*\)/; \1/p' "$out/$1.md")"
}
export -f kernel_table
check kernels 120 'cases in' bash -c 'kernel_table kernels 85 -bf16'

for batch in 4 8 16 32; do
  check "step_$batch" 30 'step_ms' "$folder/ktrain" bench-step --device cuda --batch $batch --steps 20 --warmup 5 --no-parts --json
done

# Hopper's tier of products (KT_WGMMA=1) beside the one that bf16 has by default: right, faster by kernel, faster by step. What
# they say is whether the tier may be on by default.
wgmma_tests() {
  local said status=0
  said=$(KT_REQUIRE_GPU=1 "$folder/test_cuda" --gtest_filter='Warpgroup*:*Wgmma*' 2>&1) || status=$?
  echo "$said"
  ((status == 0)) || return $status
  ! grep -aq '^\[  SKIPPED \]' <<<"$said" || { echo "FAILED: tests of the tier were skipped"; return 1; }
}
# decide: "yes" or "no" with the reasons, from the lines before.
decide() {
  local name state seconds text
  for name in wgmma_tests kernels_bf16 kernels_wgmma step_bf16 step_wgmma; do
    IFS=$'\t' read -r state seconds text <"$out/state/$name"
    [[ $state == passed ]] && continue
    [[ $name/$state == wgmma_tests/failed ]] && { echo "no: wgmma_tests failed"; return; }
    echo "SKIPPED: not decided, $name $state: $text"
    return 77
  done
  step() { grep -ao '"step_ms_median": [0-9.]*' "$out/$1.log" | tail -n 1 | grep -o '[0-9.]*$'; }
  awk -v before="$(step step_bf16)" -v after="$(step step_wgmma)" '
    !/^"/ { next }  # a CSV of Google Benchmark: "name",iterations,real_time,...
    { end = index(substr($0, 2), "\""); name = substr($0, 2, end - 1); split(substr($0, end + 3), field, ",") }
    name == "name" { next }
    !(name in seen) { seen[name]; ++all }
    field[2] !~ /^[0-9.]+(e[-+][0-9]+)?$/ || field[2] + 0 <= 0 { next }
    FNR == NR { time[name] = field[2]; next }
    name in time {
      ratio = time[name] / field[2]; sum += log(ratio); ++count
      if (count == 1 || ratio < least) { least = ratio; slowest = name }
    }
    END {
      if (!count || before == "" || after == "") { print "SKIPPED: not decided, no times to compare"; exit 77 }
      mean = exp(sum / count)
      better = (count == all && mean > 1 && least >= 0.95 && after + 0 < before + 0)
      printf "%s: %.2f times as fast in %d of %d cases, least %.2f (%s); a step of 8 pairs %s ms for %s\n",
        better ? "yes" : "no", mean, count, all, least, slowest, after, before
    }' "$out/kernels_bf16.csv" "$out/kernels_wgmma.csv"
}
export -f wgmma_tests decide
bf16_step=("$folder/ktrain" bench-step --device cuda --precision bf16 --batch 8 --steps 20 --warmup 5 --no-parts --json)
check kernels_bf16 40 'cases in' bash -c 'kernel_table kernels_bf16 25 bf16'
check step_bf16 30 step_ms "${bf16_step[@]}"
if [[ $gpu =~ sm_90([^0-9]|$) ]]; then
  check wgmma_tests 60 'PASSED|FAILED' bash -c wgmma_tests
  check kernels_wgmma 40 'cases in' env KT_WGMMA=1 bash -c 'kernel_table kernels_wgmma 25 bf16'
  check step_wgmma 30 step_ms env KT_WGMMA=1 "${bf16_step[@]}"
  check wgmma_default 10 '^(yes|no)' bash -c decide
else
  for name in wgmma_tests kernels_wgmma step_wgmma wgmma_default; do skip "$name" "GPUs of compute capability 9.0 have it alone"; done
fi

peer=$folder/torch_step.py
if [[ ! -f $peer ]]; then
  for recipe in eager compile public; do skip "torch_$recipe" "no torch_step.py in the folder"; done
elif ! "$python" -c 'import sys, torch, torchvision; sys.exit(not torch.cuda.is_available())' >"$out/torch.log" 2>&1; then
  for recipe in eager compile public; do skip "torch_$recipe" "no PyTorch with torchvision and a GPU: $(last_words "$out/torch.log" Error)"; done
else
  check torch_eager 70 step_ms "$python" "$peer" --device cuda --recipe eager --batch 4,8,16,32 --steps 20 --warmup 5
  check torch_public 130 step_ms "$python" "$peer" --device cuda --recipe public --batch 4,8,16,32 --steps 20 --warmup 5
  check torch_compile 130 step_ms "$python" "$peer" --device cuda --recipe compile --batch 4,8,16,32 --steps 20 --warmup 5
fi

# The metrics are those of the CPU.
metrics() { tail -n 1 "$out/$1/plan_a/results.csv" | cut -d, -f5,8; }
# mAP and miss rate: the tolerance is what another seed does to them on this data, not a rounding.
compare() {
  wait_for=$1
  while kill -0 "$wait_for" 2>/dev/null; do sleep 0.2; done
  [[ -f $out/gpu/plan_a/results.csv ]] || train gpu || return
  [[ -f $out/cpu/plan_a/results.csv ]] || { echo "the CPU's run left no results: $(tail -n 1 "$out/plan_a_cpu.log")"; return 1; }
  awk -F, -v a="$(metrics cpu)" -v b="$(metrics gpu)" -v most="${KT_METRIC_TOLERANCE:-0.05}" 'BEGIN {
    split(a, cpu, ","); split(b, gpu, ",")
    printf "mAP %s on the CPU, %s on the GPU; miss rate %s and %s\n", cpu[1], gpu[1], cpu[2], gpu[2]
    for (i = 1; i <= 2; ++i) { d = cpu[i] - gpu[i]; if (cpu[i] == "" || gpu[i] == "" || d > most || -d > most) exit 1 }
  }'
}
export -f metrics compare
export KT_METRIC_TOLERANCE=${KT_METRIC_TOLERANCE:-0.05}
check plan_a 120 mAP bash -c "compare ${cpu_run:-0}"
[[ -z $cpu_run ]] || { kill "$cpu_run" 2>/dev/null; wait "$cpu_run" 2>/dev/null; }
finish
