#!/usr/bin/env bash
# build.sh FOLDER [TARGET ...]: configures once, builds what changed; without a target everything.
# KT_CUDA=ON in the environment builds the CUDA kernels as well.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/release}
preset=$(basename "$folder")
targets=()
(($# > 1)) && targets=(--target "${@:2}")
cuda=()
if [[ ${KT_CUDA:-} == ON ]]; then
  cuda=(-DKT_CUDA=ON)
elif [[ ! -f $folder/build.ninja ]] && nvidia-smi -L >/dev/null 2>&1; then
  # Not by itself, until a training step has been shown on the hardware: docs/cuda.md.
  echo "a GPU answers here; KT_CUDA=ON builds for it as well (needs nvcc)"
fi
if [[ ! -f $folder/build.ninja ]] || ((${#cuda[@]})); then
  cmake --preset "$preset" "${cuda[@]}" >/dev/null
fi
cmake --build "$folder" "${targets[@]}"
