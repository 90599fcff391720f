#!/usr/bin/env bash
# The world `racing`, from the real game to the bundle, on a CPU: some six hours on two cores.
#   recipes/racing.sh [FOLDER] [EPISODES] [PRESET]
# See world.sh for what can be set. The named starts lie in the recording of the full length,
# and the notes are about the world that comes of it unless something is set.
set -euo pipefail
here=$(dirname "$0")
episodes=${2:-110}
named=$here/racing.starts.json
notes=$here/racing.notes.json
[ "$episodes" -ge 110 ] && [ "${TICKS:-1000}" -ge 1000 ] || named= notes=
[ "${3:-laptop}" = laptop ] && [ -z "${STEPS:-}${SIZE:-}${CODEC:-}" ] && [ -f "$notes" ] || notes=
export NAME=racing GAME=gym:CarRacing-v3 TITLE=Racing SIZE=${SIZE:-720x480} TICKS=${TICKS:-1000} STARTS=${STARTS-$named}
export PREDICTOR=${PREDICTOR---levels 64,2,2} # the rule takes 128 by a hair, and 64 are hit more often
export NOTES=${NOTES-$notes}
export DESCRIPTION="A small racing car on winding roads through green fields. Learnt from CarRacing-v3."
exec "$here/world.sh" "${1:-runs/racing}" "$episodes" "${3:-laptop}"
