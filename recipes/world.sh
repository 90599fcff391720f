#!/usr/bin/env bash
# Any world, from the real game to the bundle, on a CPU. Every step goes on where it was stopped.
#   NAME=… GAME=… TITLE=… DESCRIPTION=… recipes/world.sh [FOLDER] [EPISODES] [PRESET]
# The recipes beside this one set the names. SIZE and TICKS (of the recording), CODEC and DYNAMICS (options of `train codec`
# and `train dynamics`), STEPS (of the dynamics), STARTS (a list of starts in that recording; empty: the most different
# ones), EVALUATE, PREDICTOR and CALIBRATE (options of `dreamcade evaluate`, `train predictor` and `calibrate`) and NOTES
# (more for its card) can be set in the environment.
set -euo pipefail
folder=${1:-runs/$NAME}
episodes=${2:-160}
preset=${3:-laptop}

# shellcheck disable=SC2086  # several options
{
  dreamcade record "$GAME" --episodes "$episodes" ${SIZE:+--size "$SIZE"} --ticks "${TICKS:-400}" --seed 0 --out "$folder/data"
  dreamcade dataset info "$folder/data" --thumbnails "$folder/data.png"
  dreamcade train codec "$folder/data" --world "$folder/$NAME" --preset "$preset" ${CODEC:-} --resume
  dreamcade train dynamics "$folder/data" --world "$folder/$NAME" --preset "$preset" ${STEPS:+--steps "$STEPS"} ${DYNAMICS:-} --resume
  bundle() {
    dreamcade train bundle "$folder/data" --world "$folder/$NAME" --title "$TITLE" ${STARTS:+--starts "$STARTS"} \
      ${NOTES:+--notes "$NOTES"} \
      --description "$DESCRIPTION" "$@"
  }
  bundle
  dreamcade world verify "$folder/$NAME"
  dreamcade evaluate "$folder/$NAME" ${EVALUATE:-} --data "$folder/data" --report "$folder/report" --json "$folder/report.json"
  bundle --report "$folder/report"
  # Last, for they are measured on the finished world: a bundle that is made anew keeps its predictor alone.
  dreamcade train predictor "$folder/data" --world "$folder/$NAME" ${PREDICTOR:-}
  dreamcade calibrate "$folder/$NAME" --data "$folder/data" --out "$folder/$NAME" ${CALIBRATE:-}
}
