#!/usr/bin/env bash
# The world `doom` on a GPU; see world.sh.
#   recipes/gpu/doom.sh OUT [WHEELS]
here=$(dirname "$0")
named=$here/../doom.starts.json
[ "${EPISODES:-1000}" -ge 160 ] && [ "${TICKS:-400}" -ge 400 ] || named=
export NAME=doom GAME=vizdoom:freedoom2/map01 TITLE=Doom EPISODES=${EPISODES:-1000} CODEC=${CODEC:---channels 320}
export DYNAMICS=${DYNAMICS:---change-cost 0.3}
export DESCRIPTION="The first map of Freedoom, from the inside: walk, turn, shoot, open doors. Learnt from ViZDoom."
export STARTS=${STARTS-$named}
exec "$here/world.sh" "$@"
