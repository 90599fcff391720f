"""`python -m dreamcade.cluster.errand package.module:function`: a child process of `LocalHosts`.

Its arguments come as one line of JSON on standard input, which stays open as long as the parent lives: when it ends,
this process does; also where it was stopped (`lifeline.py`).
"""

from __future__ import annotations

import importlib
import json
import sys

from dreamcade.cluster.lifeline import die_with_parent, listen_to_parent
from dreamcade.cluster.wire import PeerLostError, RefusedError


def run() -> None:
    """Calls the function that the command line names."""
    die_with_parent()
    module, _, function = sys.argv[1].partition(":")
    arguments = json.loads(sys.stdin.buffer.readline())
    listen_to_parent()
    try:
        getattr(importlib.import_module(module), function)(**arguments)
    except (RefusedError, PeerLostError):  # whoever started this process knows, and says so
        sys.exit(1)


if __name__ == "__main__":
    run()
