#!/usr/bin/env bash
# The world `doom`, from the real game to the bundle, on a CPU: hours on two cores; never run in full yet.
#   recipes/doom.sh [FOLDER] [EPISODES] [PRESET]
# See world.sh for what can be set.
set -euo pipefail
here=$(dirname "$0")
export NAME=doom GAME=vizdoom:freedoom2/map01 TITLE=Doom CODEC=${CODEC:---channels 160}
export DESCRIPTION="The first map of Freedoom, from the inside: walk, turn, shoot, open doors. Learnt from ViZDoom."
exec "$here/world.sh" "${1:-runs/doom}" "${2:-160}" "${3:-laptop}"
