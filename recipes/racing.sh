#!/usr/bin/env bash
# The world `racing`, from the real game to the bundle, on a CPU. Every step goes on where it was stopped.
#   recipes/racing.sh [FOLDER] [EPISODES] [PRESET]
# SIZE, TICKS, STARTS (a list of starts in that recording; empty: the most different ones) and EVALUATE (options of
# `dreamcade evaluate`) can be set in the environment. The named starts lie in the recording of the full length.
set -euo pipefail
folder=${1:-runs/racing}
episodes=${2:-110}
preset=${3:-laptop}
named=$(dirname "$0")/racing.starts.json
[ "$episodes" -ge 110 ] && [ "${TICKS:-1000}" -ge 1000 ] || named=
starts=${STARTS-$named}

dreamcade record gym:CarRacing-v3 --episodes "$episodes" --size "${SIZE:-720x480}" --ticks "${TICKS:-1000}" --seed 0 --out "$folder/data"
dreamcade dataset info "$folder/data" --thumbnails "$folder/data.png"
dreamcade train codec "$folder/data" --world "$folder/racing" --preset "$preset" --resume
dreamcade train dynamics "$folder/data" --world "$folder/racing" --preset "$preset" --resume
bundle() {
  dreamcade train bundle "$folder/data" --world "$folder/racing" --title "Racing" ${starts:+--starts "$starts"} \
    --description "A small racing car on winding roads through green fields. Learnt from CarRacing-v3." "$@"
}
bundle
dreamcade world verify "$folder/racing"
# shellcheck disable=SC2086  # several options
dreamcade evaluate "$folder/racing" ${EVALUATE:-} --data "$folder/data" --report "$folder/report" --json "$folder/report.json"
bundle --figures "$folder/report.json"
