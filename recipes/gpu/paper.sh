#!/usr/bin/env bash
# The paper's engine (arXiv 2602.00608) at full size on one CUDA GPU: kernels, whole frames, rooflines, tests, parity.
#   recipes/gpu/paper.sh OUT [WHEELS]
# It stops by itself after SLICE seconds and goes on from there when called again: exit code 75 says so, any other but 0
# that something failed; what is in OUT already is not measured again. OUT gets a JSON file and a log of every
# measurement, and plots. WHEELS is a folder of Python wheels for a machine without an index. PRESETS, ATTENTIONS,
# DECODERS, STEPS, FEW_BITS (fp8-16: weights in fp8, caches in 16 bits) and SECONDS_EACH narrow or lengthen `dreamcade bench paper`; SHRINK makes all of it a toy; BLOCKS
# (128x480x720, 256x480x720u, …) are the decoder's blocks, WORLDS the shipped worlds whose rooflines are drawn, TESTS
# the folders of tests of which those for a GPU run; PAPER and ROOFLINE are more options of the two commands.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
wheels=${2:-}
presets=${PRESETS:-paper-racing paper-platformer}
shrink=${SHRINK:-1}
kernels=$root/recipes/gpu/paper_kernels.py
deadline=$((SECONDS + ${SLICE:-560}))
failures=0

within() {
  local left=$((deadline - SECONDS))
  [ "$left" -gt 5 ] && timeout --signal=INT --kill-after=20 "$left" "$@"
}

finish() {
  nvidia-smi >"$out/gpu.txt" 2>/dev/null
  echo "$1" | tee "$out/status.txt"
}

# A measurement by its name: its output goes into OUT/NAME.log when it is complete. One that fails does not stop those
# after it; one for which there was no time ends the slice.
measure() {
  local name=$1 ended
  shift
  [ -e "$out/$name.log" ] && return
  if [ $((deadline - SECONDS)) -gt 5 ]; then
    echo "$name"
    within "$@" >"$out/$name.part" 2>"$out/$name.err"
    ended=$?
  else
    ended=124
  fi
  case $ended in
    0)
      rm -f "$out/$name.err"
      mv "$out/$name.part" "$out/$name.log"
      ;;
    124 | 130 | 137)
      finish "stopped after ${SECONDS}s before $name was complete; call it again to go on"
      exit 75
      ;;
    *)
      echo "$name failed with exit code $ended: $(tail -n 1 "$out/$name.err")"
      failures=$((failures + 1))
      ;;
  esac
}

install() {
  if [ -n "$wheels" ]; then
    pip install --quiet --no-index --find-links "$wheels" "$@"
  else
    pip install --quiet "$@"
  fi
}

if ! command -v dreamcade >/dev/null; then
  # Without diffusers the decoder is compared with our own in plain PyTorch.
  "$root/recipes/gpu/install.sh" train,paper "$wheels" || "$root/recipes/gpu/install.sh" train "$wheels" || exit 1
fi
python -c "import hypothesis, pytest" 2>/dev/null || install pytest hypothesis ||
  echo "pytest and hypothesis are missing here: the tests will fail"

# shellcheck disable=SC2086  # several sizes
measure blocks python "$kernels" blocks "$out/blocks.json" ${BLOCKS:-}
measure operations python "$kernels" operations "$out/operations.json" paper-racing "$shrink"
for preset in $presets; do
  measure "parity-$preset" python "$kernels" parity "$out/parity-$preset.json" "$preset" "$shrink"
done
for preset in $presets; do
  for attention in ${ATTENTIONS:-factorised full}; do
    for decoder in ${DECODERS:-convolutional light}; do
      name=$preset-$attention-$decoder
      # shellcheck disable=SC2086  # several options
      measure "$name" dreamcade bench paper "$preset" --attention "$attention" --decoder "$decoder" --shrink "$shrink" \
        --steps "${STEPS:-1,2,4}" --seconds "${SECONDS_EACH:-15}" --json "$out/$name.json" --plot "$out/$name.png" ${PAPER:-}
    done
  done
done
for kept in ${FEW_BITS-fp8-16 int8-16 bf16-8 bf16-4}; do # weights and bits of the cache
  name=paper-racing-${kept%-*}-cache-${kept#*-}
  # shellcheck disable=SC2086  # several options
  measure "$name" dreamcade bench paper paper-racing --weights "${kept%-*}" --cache "${kept#*-}" --shrink "$shrink" \
    --steps 1 --seconds "${SECONDS_EACH:-15}" --json "$out/$name.json" ${PAPER:-}
done
for preset in $presets; do
  measure "bytes-$preset" python "$kernels" bytes "$out/bytes-$preset.json" "$preset" "$shrink"
done
for preset in $presets; do
  # shellcheck disable=SC2086  # several options
  measure "roofline-$preset" dreamcade bench roofline "$preset" --shrink "$shrink" --json "$out/roofline-$preset.json" \
    --plot "$out/roofline-$preset.png" ${ROOFLINE:-}
done
for world in ${WORLDS-racing platformer doom}; do
  # shellcheck disable=SC2086  # several options
  measure "roofline-$world" dreamcade bench roofline "$world" --json "$out/roofline-$world.json" \
    --plot "$out/roofline-$world.png" ${ROOFLINE:-}
done
cd "$root" || exit 1
for tests in ${TESTS-$(grep -rl --include='*.py' 'mark.gpu' tests | xargs -n 1 dirname | sort -u)}; do
  measure "${tests//\//-}" python -m pytest -m gpu -q "$tests"
done
[ "$failures" -eq 0 ] && finish complete && exit 0
finish "$failures measurement$([ "$failures" -eq 1 ] || echo s) failed; the others are complete"
exit 1
