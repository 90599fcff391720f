#!/usr/bin/env bash
# The world `racing` on one CUDA GPU: records on the machine's cores, trains, and leaves the results in the folder
# given. It stops by itself after SLICE seconds and goes on from there when called again: exit code 75 says so, any
# other but 0 that something failed.
#   recipes/gpu/racing.sh OUT [WHEELS]
# OUT gets the bundle, logs and figures. WHEELS is a folder of Python wheels for a machine without an index.
# EPISODES, TICKS, SIZE, PRESET, STARTS (a list of starts; empty: the most different ones), EVALUATE (options of
# `dreamcade evaluate`), SLICE and WORK (scratch folder) can be set in the environment.
set -uo pipefail
out=$1
wheels=${2:-}
work=${WORK:-/tmp/dreamcade-racing}
episodes=${EPISODES:-240}
preset=${PRESET:-gpu}
named=$(dirname "$0")/../racing.starts.json
[ "$episodes" -ge 110 ] && [ "${TICKS:-1000}" -ge 1000 ] || named=
starts=${STARTS-$named}
deadline=$((SECONDS + ${SLICE:-560}))
mkdir -p "$out" "$work"

within() {
  local left=$((deadline - SECONDS))
  [ "$left" -gt 5 ] && timeout --signal=INT --kill-after=20 "$left" "$@"
}

bundle() {
  within dreamcade train bundle "$work/data" --world "$work/racing" --title Racing ${starts:+--starts "$starts"} \
    --description "A small racing car on winding roads through green fields. Learnt from CarRacing-v3." "$@"
}

finish() {
  cp "$work"/racing.training/*.jsonl "$out"/ 2>/dev/null
  cp "$work"/racing.training/{codec,dynamics}.safetensors "$out"/ 2>/dev/null
  nvidia-smi >"$out/gpu.txt" 2>/dev/null
  echo "$1" | tee "$out/status.txt"
}

if ! command -v dreamcade >/dev/null; then
  if [ -n "$wheels" ]; then
    pip install --quiet --no-index --find-links "$wheels" -e '.[games,train]' || exit 1
  else
    pip install --quiet -e '.[games,train]' || exit 1
  fi
fi

# shellcheck disable=SC2086  # EVALUATE may hold several options
within dreamcade record gym:CarRacing-v3 --episodes "$episodes" --size "${SIZE:-720x480}" --ticks "${TICKS:-1000}" --seed 0 --out "$work/data" &&
  within dreamcade train codec "$work/data" --world "$work/racing" --preset "$preset" --resume &&
  within dreamcade train dynamics "$work/data" --world "$work/racing" --preset "$preset" --resume &&
  bundle &&
  within dreamcade world verify "$work/racing" &&
  within dreamcade evaluate "$work/racing" ${EVALUATE:-} --data "$work/data" --report "$work/report" --json "$out/report.json" &&
  bundle --figures "$out/report.json" &&
  cp -r "$work/racing" "$out/racing" && cp "$work/report/"*.html "$out"/ && finish complete && exit 0
failed=$?
case $failed in
  1) [ $((deadline - SECONDS)) -gt 5 ] || failed=130 ;; # no time was left to begin a step
esac
case $failed in
  124 | 130 | 137)
    finish "stopped after ${SECONDS}s; call it again to go on"
    exit 75
    ;;
esac
finish "failed with exit code $failed after ${SECONDS}s"
exit "$failed"
