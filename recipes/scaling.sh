#!/usr/bin/env bash
# A scaling study: the dynamics of one world in several sizes, and from less data, each for as many steps.
#   recipes/scaling.sh DATA WORLD OUT [STEPS]
# WORLD has a trained codec (WORLD.training/codec.safetensors); OUT gets a folder per run and curves.png. What was stopped
# goes on when called again. ONLY names the runs to do, PRESET what they start from.
set -euo pipefail
data=$1 world=$2 out=$3 steps=${4:-3000}
mkdir -p "$out"
curves=()

run() {
  local name=$1 folder=$out/$1.training
  shift
  [[ -z "${ONLY:-}" || " $ONLY " == *" $name "* ]] || return 0
  mkdir -p "$folder"
  cp "$world.training/codec.safetensors" "$folder"
  [ ! -d "$world.training/latents" ] || ln -sfn "$(realpath "$world.training/latents")" "$folder/latents"
  [ ! -d "$world.training/pictures" ] || ln -sfn "$(realpath "$world.training/pictures")" "$folder/pictures"
  dreamcade train dynamics "$data" --world "$out/$name" --steps "$steps" --preset "${PRESET:-laptop}" --resume "$@"
  curves+=("$name=$folder/dynamics.figures.jsonl")
}

recorded=$(find "$data/episodes" -mindepth 1 -maxdepth 1 -name 'episode-*' | wc -l) # a twelfth of them held out
run width-96 --width 96
run width-192 --width 192
run width-288 --width 288
run depth-4 --width 192 --depth 4
run depth-12 --width 192 --depth 12
run half-the-data --width 192 --episodes "$((recorded * 46 / 100))"
run a-quarter --width 192 --episodes "$((recorded * 23 / 100))"
python "$(dirname "$0")/curves.py" "$out/curves.png" "${curves[@]}"
