#!/usr/bin/env bash
# build.sh FOLDER [TARGET ...]: configures once, builds what changed; without a target everything.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/release}
preset=$(basename "$folder")
targets=()
(($# > 1)) && targets=(--target "${@:2}")
[[ -f $folder/build.ninja ]] || cmake --preset "$preset" >/dev/null
cmake --build "$folder" "${targets[@]}"
