# shellcheck shell=bash
# Sourced by recipes that measure one thing after the other, a slice of time at a time: `source slices.sh OUT [WHEELS]`.
# Sets root, out, wheels and failures. A recipe measures by `measure`, and ends with `conclude`.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
wheels=${2:-}
deadline=$((SECONDS + ${SLICE:-560}))
failures=0

within() {
  local left=$((deadline - SECONDS))
  [ "$left" -gt 5 ] && timeout --signal=INT --kill-after=20 "$left" "$@"
}

finish() {
  nvidia-smi >"$out/gpu.txt" 2>/dev/null
  nvidia-smi topo -m >"$out/links.txt" 2>/dev/null
  echo "$1" | tee "$out/status.txt"
}

# A measurement by its name: its output goes into OUT/NAME.log when it is complete. One that fails does not stop those
# after it; one for which there was no time ends the slice.
measure() {
  local name=$1 ended
  shift
  [ -e "$out/$name.log" ] && return
  if [ $((deadline - SECONDS)) -gt 5 ]; then
    echo "$name"
    within "$@" >"$out/$name.part" 2>"$out/$name.err"
    ended=$?
  else
    ended=124
  fi
  case $ended in
    0)
      rm -f "$out/$name.err"
      mv "$out/$name.part" "$out/$name.log"
      ;;
    124 | 130 | 137)
      finish "stopped after ${SECONDS}s before $name was complete; call it again to go on"
      exit 75
      ;;
    *)
      echo "$name failed with exit code $ended: $(tail -n 1 "$out/$name.err")"
      failures=$((failures + 1))
      ;;
  esac
}

# What the tests run with, where it is missing.
install_tests() {
  python -c "import hypothesis, pytest" 2>/dev/null && return
  # shellcheck disable=SC2086  # none, or several options
  pip install --quiet ${wheels:+--no-index --find-links "$wheels"} pytest hypothesis ||
    echo "pytest and hypothesis are missing here: the tests will fail"
}

# The end of a recipe; what was left out, if anything, is said too.
conclude() {
  [ "$failures" -eq 0 ] && finish "complete${1:-}" && exit 0
  finish "$failures measurement$([ "$failures" -eq 1 ] || echo s) failed; the others are complete${1:-}"
  exit 1
}
