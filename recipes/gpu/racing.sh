#!/usr/bin/env bash
# The world `racing` on a GPU; see world.sh.
#   recipes/gpu/racing.sh OUT [WHEELS]
here=$(dirname "$0")
named=$here/../racing.starts.json
[ "${EPISODES:-240}" -ge 110 ] && [ "${TICKS:-1000}" -ge 1000 ] || named=
export NAME=racing GAME=gym:CarRacing-v3 TITLE=Racing SIZE=${SIZE:-720x480} TICKS=${TICKS:-1000} EPISODES=${EPISODES:-240}
export DESCRIPTION="A small racing car on winding roads through green fields. Learnt from CarRacing-v3."
export EVALUATE=${EVALUATE---starts 6} # of five minutes each, in the dream and in the game: what a slice has time for
export PREDICTOR=${PREDICTOR---levels 64,2,2}
export STARTS=${STARTS-$named}
exec "$here/world.sh" "$@"
