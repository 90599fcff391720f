#!/usr/bin/env bash
# The paper's engine (arXiv 2602.00608) over 1, 2, 4 and 8 CUDA GPUs of one machine: the planned splits, and the paper's
# own, measured beside what the planner predicts; and the tests that the frames are those of one device, over NCCL.
#   recipes/gpu/cluster.sh OUT [WHEELS]
# It stops by itself after SLICE seconds and goes on from there when called again: exit code 75 says so, any other but 0
# that something failed; what is in OUT already is not measured again. With fewer GPUs it does what they can, and says
# what was left out: with one, both stages share it on two streams. OUT gets a JSON file and a log of every measurement.
# WHEELS is a folder of Python wheels for a machine without an index. PRESETS, COUNTS, DECODINGS, STEPS and SECONDS_EACH
# narrow or lengthen it; SPLITS are more splits, tried where there are devices enough. KIND=cpu runs it on processes of
# a CPU, and SHRINK makes it a toy; TESTS are the tests.
set -uo pipefail
# shellcheck source=recipes/gpu/slices.sh
source "$(dirname "$0")/slices.sh" "$@"
kind=${KIND:-cuda}
shrink=${SHRINK:-1}

if ! command -v dreamcade >/dev/null; then
  "$root/recipes/gpu/install.sh" train "$wheels" || exit 1
fi
install_tests

if [ "$kind" = cuda ]; then
  there=$(python -c "import torch; print(torch.cuda.device_count())")
else
  there=${DEVICES:-2}
fi
[ "$there" -gt 0 ] || { finish "there is no CUDA device here"; exit 1; }

# Paper's engine on so many devices of the kind, with more options; the name says which.
over() {
  local name=$1 preset=$2 count=$3
  shift 3
  measure "$name" dreamcade bench paper "$preset" --devices "$kind:$count" --shrink "$shrink" \
    --steps "${STEPS:-1,2,4}" --seconds "${SECONDS_EACH:-15}" --json "$out/$name.json" "$@"
}

left_out=()
for preset in ${PRESETS:-paper-racing paper-platformer}; do
  if [ "$kind" = cuda ]; then
    measure "calibration-$preset" dreamcade bench calibrate "$preset" --shrink "$shrink" --seconds "${SECONDS_EACH:-15}" \
      --json "$out/calibration-$preset.json"
  fi
  for count in ${COUNTS:-1 2 4 8}; do
    if [ "$count" -gt "$there" ]; then
      left_out+=("$preset on $count")
      continue
    fi
    for decoding in ${DECODINGS:-round-robin spatial}; do
      if [ "$count" -gt 1 ]; then
        over "$preset-$count-$decoding" "$preset" "$count" --plan auto --decoding "$decoding"
      elif [ "$decoding" = round-robin ]; then
        over "$preset-1-shared" "$preset" 1
      fi
    done
  done
  for split in ${SPLITS-1+1 2+2 5+3 3+5}; do
    count=$((split))
    if [ "$count" -gt "$there" ]; then
      left_out+=("$preset in $split")
    else
      over "$preset-$split" "$preset" "$count" --plan "$split"
    fi
  done
done
cd "$root" || exit 1
for tests in ${TESTS-tests/cluster tests/evaluation/paper}; do
  [ "$kind" = cuda ] && [ "$there" -lt 2 ] && left_out+=("parity over NCCL, which needs 2 GPUs")
  measure "${tests//\//-}" python -m pytest -m gpu -q -rs "$tests"
done
rest=""
[ ${#left_out[@]} -eq 0 ] || rest=$(printf '; %s' "${left_out[@]}" | sed "s/^; /; left out, with $there of $kind: /")
conclude "$rest"
