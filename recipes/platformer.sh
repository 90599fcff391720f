#!/usr/bin/env bash
# The world `platformer`, from the real game to the bundle, on a CPU: hours on two cores; never run in full yet.
#   recipes/platformer.sh [FOLDER] [EPISODES] [PRESET]
# See world.sh for what can be set.
set -euo pipefail
here=$(dirname "$0")
dreamcade games list | grep -q "^procgen: ready" || dreamcade games install procgen
export NAME=platformer GAME=procgen:coinrun TITLE=Platformer CODEC=${CODEC:---channels 128}
export DESCRIPTION="Run, jump, mind the saws and what crawls, reach the coin. Sixteen levels, learnt from CoinRun."
exec "$here/world.sh" "${1:-runs/platformer}" "${2:-205}" "${3:-laptop}"
