#!/usr/bin/env bash
# test.sh FOLDER: every test of a built folder; ends with one line of counts, skips included. Tests with the label "long"
# run with KT_TEST_LONG=1 alone (make test-long); without it a line says how many were left out.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/release}
log=$folder/test.log
status=0
long=(-LE '^long$')
[[ "${KT_TEST_LONG:-}" == 1 ]] && long=()
ctest --test-dir "$folder" "${long[@]}" --output-on-failure -j "$(nproc)" 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
skipped=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*Skipped' "$log" || true)
failed=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*(Failed|Timeout|Exception|Not Run)' "$log" || true)
passed=$(grep -cE '^ *[0-9]+/[0-9]+ Test .* Passed ' "$log" || true)
# Why tests were skipped: googletest prints the reason in the line after "Skipped", scripts after "SKIPPED:".
if ((skipped)); then
  echo "skipped because:"
  awk '/: Skipped$/ {getline; count[$0]++} /^SKIPPED: / {sub(/^SKIPPED: /, ""); count[$0]++}
    END {for (reason in count) printf "  %d x %s\n", count[reason], reason}' \
    "$folder/Testing/Temporary/LastTest.log"
fi
if ((${#long[@]})); then
  left=$(ctest --test-dir "$folder" -N -L '^long$' | sed -n 's/^Total Tests: //p')
  ((left == 0)) || echo "left out: $left long tests (make test-long)"
fi
echo "$passed passed, $failed failed, $skipped skipped"
if [[ $status -eq 0 && $passed -eq 0 ]]; then
  echo "no test ran: that is a failure" >&2
  exit 1
fi
exit "$status"
