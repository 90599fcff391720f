#!/usr/bin/env bash
# A scaling study: the dynamics of one world in several sizes, and from less data, each for as many steps.
#   recipes/scaling.sh DATA WORLD OUT [STEPS]
# WORLD has a trained codec (WORLD.training/codec.safetensors); OUT gets a folder per run and curves.png. What was stopped
# goes on when called again. ONLY names the runs to do, PRESET what they start from.
set -euo pipefail
data=$1 world=$2 out=$3 steps=${4:-3000}
mkdir -p "$out"

run() {
  local name=$1 folder=$out/$1.training
  shift
  [[ -z "${ONLY:-}" || " $ONLY " == *" $name "* ]] || return 0
  mkdir -p "$folder"
  cp "$world.training/codec.safetensors" "$folder"
  for shared in latents pictures; do # encoded once, not once a run
    [ -e "$folder/$shared" ] || [ ! -d "$world.training/$shared" ] ||
      ln -s "$(realpath "$world.training/$shared")" "$folder/$shared"
  done
  dreamcade train dynamics "$data" --world "$out/$name" --steps "$steps" --preset "${PRESET:-laptop}" --resume "$@"
}

recorded=$(find "$data/episodes" -mindepth 1 -maxdepth 1 -name 'episode-*' | wc -l) # a twelfth of them held out
run width-96 --width 96
run width-192 --width 192
run width-288 --width 288
run depth-4 --width 192 --depth 4
run depth-12 --width 192 --depth 12
run half-the-data --width 192 --episodes "$((recorded * 46 / 100 + 1))"
run a-quarter --width 192 --episodes "$((recorded * 23 / 100 + 1))"

set --
for file in "$out"/*.training/dynamics.figures.jsonl; do
  name=$(basename "$(dirname "$file")" .training)
  [ ! -f "$file" ] || set -- "$@" "$name=$file"
done
[ $# -gt 0 ] || { echo "nothing was run: ONLY must name some of the runs above; got '${ONLY:-}'" >&2; exit 2; }
python "$(dirname "$0")/curves.py" "$out/curves.png" "$@"
