#!/usr/bin/env bash
# The world `doom`, from the real game to the bundle, on a CPU: two hours on two cores, a taste of what it could be.
#   recipes/doom.sh [FOLDER] [EPISODES] [PRESET]
# See world.sh for what can be set. The named starts lie in the recording of the full length,
# and the notes are about the world that comes of it unless something is set.
set -euo pipefail
here=$(dirname "$0")
episodes=${2:-160}
named=$here/doom.starts.json
notes=$here/doom.notes.json
[ "$episodes" -ge 160 ] && [ "${TICKS:-400}" -ge 400 ] || named= notes=
[ "${3:-laptop}" = laptop ] && [ -z "${STEPS:-}${SIZE:-}${CODEC:-}${DYNAMICS:-}" ] && [ -f "$notes" ] || notes=
export NAME=doom GAME=vizdoom:freedoom2/map01 TITLE=Doom CODEC=${CODEC:---channels 320 --steps 3000}
export STARTS=${STARTS-$named} NOTES=${NOTES-$notes}
export DYNAMICS=${DYNAMICS:---change-cost 0.3 --episodes 120} STEPS=${STEPS:-6000}
export DESCRIPTION="The first map of Freedoom, from the inside: walk, turn, shoot, open doors. Learnt from ViZDoom."
exec "$here/world.sh" "${1:-runs/doom}" "$episodes" "${3:-laptop}"
