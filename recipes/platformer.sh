#!/usr/bin/env bash
# The world `platformer`, from the real game to the bundle, on a CPU: three to four hours on two cores.
#   recipes/platformer.sh [FOLDER] [EPISODES] [PRESET]
# See world.sh for what can be set. The named starts lie in the recording of the full length,
# and the notes are about the world that comes of it unless something is set.
set -euo pipefail
here=$(dirname "$0")
episodes=${2:-205}
named=$here/platformer.starts.json
notes=$here/platformer.notes.json
[ "$episodes" -ge 205 ] && [ "${TICKS:-400}" -ge 400 ] || named= notes=
[ "${3:-laptop}" = laptop ] && [ -z "${STEPS:-}${SIZE:-}${CODEC:-}${DYNAMICS:-}" ] && [ -f "$notes" ] || notes=
dreamcade games list | grep -q "^procgen: ready" || dreamcade games install procgen
export NAME=platformer GAME=procgen:coinrun TITLE=Platformer CODEC=${CODEC:---channels 128 --steps 2600}
export STARTS=${STARTS-$named} NOTES=${NOTES-$notes}
export DYNAMICS=${DYNAMICS:---change-cost 0.1 --episodes 130} STEPS=${STEPS:-15000}
export DESCRIPTION="Run, jump, mind the saws and what crawls, reach the coin. Sixteen levels, learnt from CoinRun."
exec "$here/world.sh" "${1:-runs/platformer}" "$episodes" "${3:-laptop}"
