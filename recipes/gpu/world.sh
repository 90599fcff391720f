#!/usr/bin/env bash
# Any world on one or more CUDA GPUs: records on the machine's cores, trains, and leaves the results in the folder given.
# It stops by itself after SLICE seconds and goes on from there when called again: exit code 75 says so, any other but 0
# that something failed.
#   NAME=… GAME=… TITLE=… DESCRIPTION=… recipes/gpu/world.sh OUT [WHEELS]
# The recipes beside this one set the names. OUT gets the bundle, logs and figures. WHEELS is a folder of Python wheels for
# a machine without an index. EPISODES, TICKS, SIZE, PRESET, CODEC and DYNAMICS (options of `train codec` and `train
# dynamics`), STARTS (a list of starts; empty: the most different ones), NOTES (more for its card), EVALUATE (options of
# `dreamcade evaluate`), AXES (which of its axes, a slice or a part of one for each),
# PREDICTOR and CALIBRATE (options of `train predictor` and `calibrate`), GPUS (how many train together),
# COMPILE (the dynamics; 1 where there is a C++ compiler, else empty), SLICE and WORK (scratch folder) can be set in the
# environment. WORK is gone with the machine: on another one FROM=OUT/$NAME goes on from the bundle that was delivered.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$1
wheels=${2:-}
work=${WORK:-/tmp/dreamcade-$NAME}
episodes=${EPISODES:-240}
preset=${PRESET:-gpu}
gpus=${GPUS:-1}
deadline=$((SECONDS + ${SLICE:-560}))
compiler=$(command -v g++ || command -v clang++)
compile=${COMPILE-${compiler:+1}}
mkdir -p "$out" "$work"

within() {
  local left=$((deadline - SECONDS))
  [ "$left" -gt 5 ] && timeout --signal=INT --kill-after=20 "$left" "$@"
}

bundle() {
  within dreamcade train bundle "$work/data" --world "$work/$NAME" --title "$TITLE" ${STARTS:+--starts "$STARTS"} \
    ${NOTES:+--notes "$NOTES"} \
    --description "$DESCRIPTION" "$@"
}

# Axis by axis, so that what has been measured is not measured again; a comma joins those that share their work.
evaluate() {
  local axes folder
  reports=()
  for axes in ${AXES:-frames,distribution control rules closed_loop long_play}; do
    folder=$work/report/${axes//,/-}
    # shellcheck disable=SC2086  # both may hold several words
    [ "$folder/complete" -nt "$work/$NAME.training/dynamics.safetensors" ] || {
      within dreamcade evaluate "$work/$NAME" --axis ${axes//,/ --axis } ${EVALUATE:-} --data "$work/data" \
        --report "$folder" && touch "$folder/complete"
    } || return
    cp "$folder/figures.json" "$out/figures-${axes//,/-}.json"
    cp "$folder/report.html" "$out/report-${axes//,/-}.html"
    reports+=(--report "$folder")
  done
}

# What speculation and extrapolation need; made last, for it is measured on the finished world.
quicken() {
  # shellcheck disable=SC2086  # several options
  within dreamcade train predictor "$work/data" --world "$work/$NAME" ${PREDICTOR:-} &&
    within dreamcade calibrate "$work/$NAME" --data "$work/data" --out "$work/$NAME" ${CALIBRATE:-} &&
    cp "$work/$NAME/world.json" "$out/world.json"
}

deliver() {
  rm -rf "${out:?}/$NAME" && cp -r "$work/$NAME" "$out/$NAME"
}

finish() {
  cp "$work/$NAME.training"/*.jsonl "$out"/ 2>/dev/null
  cp "$work/$NAME.training"/{codec,dynamics}.safetensors "$out"/ 2>/dev/null
  nvidia-smi >"$out/gpu.txt" 2>/dev/null
  echo "$1" | tee "$out/status.txt"
}

if ! command -v dreamcade >/dev/null; then
  "$root/recipes/gpu/install.sh" games,train "$wheels" || exit 1
fi

if [ -n "${INSTALL:-}" ]; then
  # An environment of its own cannot see the wheels unless pip is told.
  [ -n "$wheels" ] && export PIP_NO_INDEX=1 PIP_FIND_LINKS=$wheels
  dreamcade games install "$INSTALL" || exit 1
fi

train() {
  if [ "$gpus" -gt 1 ]; then
    within torchrun --nproc-per-node "$gpus" -m dreamcade train "$@"
  else
    within dreamcade train "$@"
  fi
}

# shellcheck disable=SC2086  # CODEC and EVALUATE may hold several options
within dreamcade record "$GAME" --episodes "$episodes" ${SIZE:+--size "$SIZE"} --ticks "${TICKS:-400}" --seed 0 --out "$work/data" &&
  { [ -n "${FROM:-}" ] || train codec "$work/data" --world "$work/$NAME" --preset "$preset" ${CODEC:-} --resume; } &&
  train dynamics "$work/data" --world "$work/$NAME" --preset "$preset" ${FROM:+--from "$FROM"} ${compile:+--compile} \
    ${DYNAMICS:-} --resume &&
  bundle &&
  within dreamcade world verify "$work/$NAME" && deliver && evaluate &&
  bundle "${reports[@]}" && deliver && quicken && deliver && finish complete && exit 0
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
