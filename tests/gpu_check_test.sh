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
  stub "$to/kt_bench" 'if [[ $1 == --gpu ]]; then echo "Stub GPU, sm_90"; else echo "| adamw step |"; echo "| gemm square |"; echo "- not measured, 3 cases: no time left of 110 s"; fi'
  stub "$to/ktrain" 'if [[ $1 == bench-step ]]; then echo "{\"step_ms_median\": 7.5}"; exit; fi
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
says good '16 passed, 0 failed, 0 skipped'

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
says failing '14 passed, 2 failed, 0 skipped'

# What the program refuses is a skip, told in its words, and the exit status says that not all was checked.
to=$(folder refusing)
stub "$to/ktrain" 'echo "KT-SYS-003: a step cannot run on a GPU yet"; exit 1'
rm "$to/dump_instructions" "$to/torch_step.py"
run refusing 3
says refusing '| step_4 | skipped |'
says refusing 'refused: KT-SYS-003: a step cannot run on a GPU yet'
says refusing '| same_bits | skipped |'
says refusing '| instructions | skipped |'
says refusing '| torch_eager | skipped | 0 | no torch_step.py in the folder |'

to=$(folder partial)
rm "$to/dump_instructions"
run partial 3
says partial '15 passed, 0 failed, 1 skipped'

to=$(folder hanging)
stub "$to/kt_bench" 'if [[ $1 == --gpu ]]; then echo GPU; else sleep 60; fi'
KT_CHECK_LIMIT=2 KT_CHECK_ONLY='kernels|tests' run hanging 1
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
