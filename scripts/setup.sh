#!/usr/bin/env bash
# Installs the Debian packages that the build needs and that are missing. Says which, asks once;
# KT_YES=1 or CI=true answers yes. Without the right to install, prints the exact command.
set -euo pipefail

# ocl-icd-opencl-dev: libdnnl-dev's CMake package asks for OpenCL, but its Debian package only recommends it.
packages=(build-essential cmake ninja-build pkg-config clang-format libdnnl-dev ocl-icd-opencl-dev
  libtomlplusplus-dev libcli11-dev libfmt-dev nlohmann-json3-dev libpugixml-dev libstb-dev libturbojpeg0-dev libeigen3-dev
  libboost-math-dev libgtest-dev libgmock-dev libbenchmark-dev)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
done
((${#missing[@]})) || exit 0

command="apt-get install -y --no-install-recommends ${missing[*]}"
echo "Needed and not installed: ${missing[*]}"
if [[ $EUID -eq 0 ]]; then
  sudo=""
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
  sudo="sudo "
else
  echo "No right to install packages here. As root, run:" >&2
  echo "  apt-get update && $command" >&2
  exit 77
fi
if [[ "${KT_YES:-}" != 1 && "${CI:-}" != true ]]; then
  if ! read -r -p "Install them now with '$sudo$command'? [y/N] " answer || [[ "$answer" != [yY]* ]]; then
    echo "Nothing installed. Run yourself: $sudo apt-get update && $sudo$command" >&2
    exit 1
  fi
fi
${sudo}apt-get update -qq
DEBIAN_FRONTEND=noninteractive ${sudo}$command -qq >/dev/null
