"""`python -m dreamcade.cluster.errand package.module:function`: a child process of `LocalHosts`.

Its arguments come as one line of JSON on standard input, which stays open as long as the parent lives: when it ends,
this process does.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading

from dreamcade.cluster.wire import PeerLostError, RefusedError


def run() -> None:
    """Calls the function that the command line names."""
    module, _, function = sys.argv[1].partition(":")
    arguments = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, name="dreamcade-parent", daemon=True).start()
    try:
        getattr(importlib.import_module(module), function)(**arguments)
    except (RefusedError, PeerLostError):  # whoever started this process knows, and says so
        sys.exit(1)


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


if __name__ == "__main__":
    run()
