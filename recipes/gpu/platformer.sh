#!/usr/bin/env bash
# The world `platformer` on a GPU; see world.sh. Procgen's wheels must be at hand too: it gets an environment of its own.
#   recipes/gpu/platformer.sh OUT [WHEELS]
here=$(dirname "$0")
named=$here/../platformer.starts.json
[ "${EPISODES:-1000}" -ge 205 ] && [ "${TICKS:-400}" -ge 400 ] || named=
export NAME=platformer GAME=procgen:coinrun TITLE=Platformer EPISODES=${EPISODES:-1000} INSTALL=procgen
export CODEC=${CODEC:---channels 128}
export DYNAMICS=${DYNAMICS:---change-cost 0.1}
export DESCRIPTION="Run, jump, mind the saws and what crawls, reach the coin. Sixteen levels, learnt from CoinRun."
export STARTS=${STARTS-$named}
exec "$here/world.sh" "$@"
