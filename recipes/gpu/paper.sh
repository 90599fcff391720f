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
# shellcheck source=recipes/gpu/slices.sh
source "$(dirname "$0")/slices.sh" "$@"
presets=${PRESETS:-paper-racing paper-platformer}
shrink=${SHRINK:-1}
kernels=$root/recipes/gpu/paper_kernels.py

if ! command -v dreamcade >/dev/null; then
  # Without diffusers the decoder is compared with our own in plain PyTorch.
  "$root/recipes/gpu/install.sh" train,paper "$wheels" || "$root/recipes/gpu/install.sh" train "$wheels" || exit 1
fi
install_tests

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
conclude
