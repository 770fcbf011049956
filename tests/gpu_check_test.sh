#!/usr/bin/env bash
# gpu_check_test.sh ROOT TMP: what scripts/gpu_check.sh makes of programs that pass, fail, hang, refuse and are absent. Stubs
# stand for all of them; no GPU is needed.
set -euo pipefail
root=$1 tmp=$2
rm -rf "$tmp" && mkdir -p "$tmp"
errors=0

stub() { # PATH BODY
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$1"
  chmod +x "$1"
}
# A folder where everything passes.
folder() {
  local to=$tmp/$1
  mkdir -p "$to/bin"
  stub "$to/test_cuda" 'echo "[  PASSED  ] 412 tests."'
  stub "$to/kt_bench" 'if [[ $1 == --gpu ]]; then echo "Stub GPU, sm_90, 132 multiprocessors"; exit; fi
    echo "| adamw step |"; echo "| gemm square |"; echo "- not measured, 3 cases: no time left of 110 s"
    for a in "$@"; do [[ $a == --benchmark_out=* ]] && csv=${a#*=}; done
    [[ ${KT_WGMMA:-} == 1 ]] && times=(1.0e+01 20.0) || times=(1.50e+01 25)
    { echo "name,iterations,real_time,cpu_time"; echo "\"cuda/gemm_bf16/square/4096, a\",1,${times[0]},2,us"
    echo "\"cuda/conv2d_bf16/forward/P2\",1,${times[1]},2,us"; [[ $csv == */kernels.csv ]] && echo "\"cuda/late\",,,,,,,true,\"no time left\""; } >"$csv"; true'
  stub "$to/ktrain" 'if [[ $1 == bench-step ]]; then [[ ${KT_WGMMA:-} == 1 ]] && ms=6.5 || ms=7.5; echo "{\"step_ms_median\": $ms}"; exit; fi
    while (($#)); do [[ $1 == --runs ]] && to=$2; shift; done
    mkdir -p "$to/plan_a/weights"; echo weights >"$to/plan_a/weights/best.safetensors"
    printf "epoch,step,gts,dets,map,map_11point,recall,miss_rate,best,seconds\n4,9,1,1,0.51,0.5,0.9,0.40,true,1\n" >"$to/plan_a/results.csv"'
  stub "$to/dump_instructions" 'echo "mma.sync" >"$1/mma.txt"; echo "1 file"'
  stub "$to/bin/compute-sanitizer" 'echo "========= ERROR SUMMARY: 0 errors"'
  stub "$to/bin/python3" 'echo "{\"step_ms_median\": 60}"'
  touch "$to/torch_step.py"
  echo "$to"
}
# run NAME EXIT: runs the script on the folder, whose exit status must be EXIT.
run() {
  local to=$tmp/$1 status=0
  PATH=$to/bin:$PATH KT_PYTHON=$to/bin/python3 OUT=$to/results "$root/scripts/gpu_check.sh" "$to" >"$to/said.txt" 2>&1 || status=$?
  if [[ $status != "$2" ]]; then
    echo "$1: exit $status, wanted $2:"
    cat "$to/said.txt"
    errors=$((errors + 1))
  fi
}
# says NAME TEXT: the output has the text.
says() {
  grep -qF -- "$2" "$tmp/$1/said.txt" && return
  echo "$1: nothing says '$2':"
  cat "$tmp/$1/said.txt"
  errors=$((errors + 1))
}

folder good >/dev/null
run good 0
says good '| tests | passed |'
says good '412 tests.'
says good '| racecheck | passed |'
says good '| kernels | passed |'
says good '2 cases in kernels.md; 3 cases: no time left of 110 s |'
says good '| step_32 | passed |'
says good '| torch_compile | passed |'
says good '| instructions | passed |'
says good 'same bytes in 1 files'
says good 'mAP 0.51 on the CPU, 0.51 on the GPU; miss rate 0.40 and 0.40'
says good '| wgmma_tests | passed |'
says good '| kernels_wgmma | passed |'
# By hand: 15 / 10 and 25 / 20, whose geometric mean is 1.369.
says good 'yes: 1.37 times as fast in 2 of 2 cases, least 1.25 (cuda/conv2d_bf16/forward/P2); a step of 8 pairs 6.5 ms for 7.5 |'
says good '22 passed, 0 failed, 0 skipped'

to=$(folder none)
stub "$to/kt_bench" 'echo "no NVIDIA driver is installed"; exit 77'
run none 2
says none 'NO GPU: no NVIDIA driver is installed'
says none 'Nothing was checked'

to=$(folder empty)
rm "$to/test_cuda"
run empty 2
says empty 'has no test_cuda'

to=$(folder failing)
stub "$to/test_cuda" 'echo "[  FAILED  ] 2 tests | gemm"; exit 1'
stub "$to/bin/compute-sanitizer" '[[ $2 == racecheck ]] && { echo "========= ERROR SUMMARY: 3 errors"; exit 9; }; echo fine'
run failing 1
says failing '| tests | failed |'
says failing 'exit 1: [  FAILED  ] 2 tests \| gemm'
says failing '| racecheck | failed |'
says failing 'exit 9: ========= ERROR SUMMARY: 3 errors'
says failing '| memcheck | passed |'
says failing 'no: wgmma_tests failed |'
says failing '19 passed, 3 failed, 0 skipped'

# What the program refuses is a skip, told in its words, and the exit status says that not all was checked.
to=$(folder refusing)
stub "$to/ktrain" 'echo "KT-SYS-003: a step cannot run on a GPU yet"; exit 1'
rm "$to/dump_instructions" "$to/torch_step.py"
run refusing 3
says refusing '| step_4 | skipped |'
says refusing 'refused: KT-SYS-003: a step cannot run on a GPU yet'
says refusing '| same_bits | skipped |'
says refusing '| instructions | skipped |'
says refusing 'not decided, step_bf16 skipped: refused: KT-SYS-003'
says refusing '| torch_eager | skipped | 0 | no torch_step.py in the folder |'

to=$(folder partial)
rm "$to/dump_instructions"
run partial 3
says partial '21 passed, 0 failed, 1 skipped'

# The tier of Hopper: a slower step, a slower kernel, tests that are skipped inside, another GPU.
to=$(folder slower_step)
sed -i 's/ms=6.5/ms=7.6/' "$to/ktrain"
KT_CHECK_ONLY='wgmma|bf16' run slower_step 3
says slower_step 'no: 1.37 times as fast in 2 of 2 cases, least 1.25 (cuda/conv2d_bf16/forward/P2); a step of 8 pairs 7.6 ms for 7.5 |'
to=$(folder slower_kernel)
sed -i 's/1.0e+01 20.0/1.0e+01 30/' "$to/kt_bench"
KT_CHECK_ONLY='wgmma|bf16' run slower_kernel 3
says slower_kernel 'no: 1.12 times as fast in 2 of 2 cases, least 0.83 (cuda/conv2d_bf16/forward/P2)'
to=$(folder late_kernel)
sed -i 's|== \*/kernels.csv|== *wgmma.csv|' "$to/kt_bench"
KT_CHECK_ONLY='wgmma|bf16' run late_kernel 3
says late_kernel 'no: 1.37 times as fast in 2 of 3 cases'
to=$(folder no_code)
stub "$to/test_cuda" 'echo "[  SKIPPED ] Warpgroup.X"; echo "[  PASSED  ] 3 tests."'
KT_CHECK_ONLY='wgmma|bf16' run no_code 1
says no_code 'exit 1: FAILED: tests of the tier were skipped'
says no_code 'no: wgmma_tests failed |'
to=$(folder ampere)
sed -i 's/sm_90/sm_80/' "$to/kt_bench"
KT_CHECK_ONLY='wgmma|bf16' run ampere 3
says ampere '| kernels_bf16 | passed |'
says ampere '| wgmma_default | skipped | 0 | GPUs of compute capability 9.0 have it alone |'
says ampere '2 passed, 0 failed, 20 skipped'

to=$(folder hanging)
stub "$to/kt_bench" 'if [[ $1 == --gpu ]]; then echo GPU; else sleep 60; fi'
KT_CHECK_LIMIT=2 KT_CHECK_ONLY='^kernels$|^tests$' run hanging 1
says hanging '| kernels | failed |'
says hanging 'not done after 2 s'
says hanging '| step_4 | skipped | 0 | not asked for (KT_CHECK_ONLY) |'

to=$(folder late)
KT_CHECK_SECONDS=0 run late 3
says late 'no time left of 0 s'

to=$(folder different)
stub "$to/bin/cmp" 'echo "best.safetensors differ: byte 9"; exit 1'
run different 1
says different '| same_bits | failed |'
says different 'differ: byte 9'

if ((errors)); then
  echo "gpu_check: $errors wrong"
  exit 1
fi
echo "gpu_check: all as wanted"
