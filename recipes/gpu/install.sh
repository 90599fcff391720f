#!/usr/bin/env bash
# Installs dreamcade for a CUDA machine: recipes/gpu/install.sh EXTRAS [WHEELS], extras with commas, such as games,train.
# From a folder of wheels where one is given, else from the index. OpenVINO, which is for CPUs, is left out.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
extras=$1
wheels=${2:-}
from=()
[ -n "$wheels" ] && from=(--no-index --find-links "$wheels")
needed=$(mktemp)
trap 'rm -f "$needed"' EXIT
python "$root/recipes/gpu/requirements.py" "$root/pyproject.toml" "$extras" >"$needed"
pip install --quiet "${from[@]}" -r "$needed"
pip install --quiet "${from[@]}" --no-deps -e "$root"
