#!/bin/sh
# Sets up .venv: `setup.sh play` for what playing needs, `setup.sh dev` for everything that the tests need.
# The Makefile calls it; $PYTHON names the interpreter, else the first that is new enough is taken.
set -eu

venv=.venv
torch_version=2.13.0
torch_cpu_index=https://download.pytorch.org/whl/cpu

fail() {
    echo "dreamcade: $*" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11 or newer; name one that is: make PYTHON=python3.12"
        echo "$PYTHON"
        return
    fi
    for python in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if new_enough "$python"; then
            echo "$python"
            return
        fi
    done
    fail "Python 3.11 or newer is needed and was not found; install it, or name it: make PYTHON=/path/to/python3.12"
}

make_venv() {
    if "$venv/bin/python" -m pip --version >/dev/null 2>&1 && new_enough "$venv/bin/python"; then
        return
    fi
    python=$(find_python)
    echo "Making a virtual environment in $venv ..."
    "$python" -m venv --clear "$venv" || fail "$python cannot make a virtual environment; on Debian: apt-get install python3-venv"
}

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check -qq "$@"
}

# Without CUDA, PyPI's Linux build would bring gigabytes of CUDA packages, so the CPU build goes in first.
install_torch() {
    if "$venv/bin/python" -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null; then
        return
    fi
    if [ "$(uname -s)" != Linux ] || command -v nvidia-smi >/dev/null 2>&1; then
        return # the package's own dependency is the right build there
    fi
    echo "Installing PyTorch $torch_version, the CPU build (about 200 MB) ..."
    pip install "torch==$torch_version+cpu" 2>/dev/null ||
        pip --retries 1 --timeout 15 install "torch==$torch_version" --index-url "$torch_cpu_index" 2>/dev/null ||
        pip install "torch==$torch_version" ||
        fail "PyTorch could not be installed; is there a network? (make clean, then try again)"
}

install_package() {
    echo "Installing dreamcade for $1 ..."
    pip install --editable "$2" || fail "the installation stopped; the lines above say why"
}

# Browser tests drive the system's Chromium; where it cannot be had they skip and say so.
install_chromium() {
    for browser in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$browser" >/dev/null 2>&1 && return
    done
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing Chromium for the browser tests ..."
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 && return
    fi
    echo "No Chromium here: the browser tests will be skipped (on Debian: apt-get install chromium)."
}

# Procgen's tests play the real game in an environment of its own; where it cannot be had they skip and say so.
install_procgen() {
    [ -e "$venv/share/dreamcade/procgen/ready" ] && return
    echo "Installing Procgen for its tests ..."
    "$venv/bin/dreamcade" games install procgen >/dev/null 2>&1 ||
        echo "No Procgen here: its tests will be skipped (it has wheels for Python up to 3.11 on x86-64)."
}

case ${1:-} in
play)
    make_venv
    install_torch
    install_package playing .
    ;;
dev)
    make_venv
    install_torch
    install_package development ".[games,train,dev]"
    install_chromium
    install_procgen
    touch "$venv/.ready-play" # playing needs a part of this
    ;;
*) fail "usage: setup.sh play|dev" ;;
esac
