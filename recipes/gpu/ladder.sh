#!/usr/bin/env bash
# What pipelining, extrapolation and speculation bring on a GPU: the same recorded inputs in every mode, without a browser.
#   recipes/gpu/ladder.sh OUT [WHEELS]
# OUT gets figures and a plot for each of WORLDS. It records EPISODES of each game first, and fits into one slice.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$1
wheels=${2:-}
work=${WORK:-/tmp/dreamcade-ladder}
mkdir -p "$out" "$work"
if ! command -v dreamcade >/dev/null; then
  "$root/recipes/gpu/install.sh" games,train "$wheels"
fi
# shellcheck disable=SC2086  # several options
for world in ${WORLDS:-racing doom}; do
  game=$(dreamcade world info "$world" --json | python -c 'import json, sys; print(json.load(sys.stdin)["game"])')
  size=$(dreamcade world info "$world" --json |
    python -c 'import json, sys; print("x".join(map(str, json.load(sys.stdin)["frame_size"])))')
  dreamcade record "$game" --episodes "${EPISODES:-12}" --ticks "${TICKS:-800}" --size "$size" --seed 900 --out "$work/$world"
  dreamcade bench ablation "$world" --data "$work/$world" --browser 0 --seconds "${SECONDS_EACH:-20}" \
    --windows "${WINDOWS:-24}" --json "$out/ladder-$world.json" --plot "$out/ladder-$world.png" ${ABLATION:-}
done
