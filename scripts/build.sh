#!/usr/bin/env bash
# build.sh FOLDER: configures once, builds what changed.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/release}
preset=$(basename "$folder")
[[ -f $folder/build.ninja ]] || cmake --preset "$preset" >/dev/null
cmake --build "$folder"
