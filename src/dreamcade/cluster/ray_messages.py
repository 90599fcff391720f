"""What Ray says on the terminal, and which of it is kept back: what we say ourselves, in one line and sooner."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

DEATHS = ("A worker died or was killed",)
"""How it begins to tell of an actor that has ended; whoever watches the actor has told that by then."""

logger = logging.getLogger(__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """While Ray joins. Its C++ speaks on standard error, and takes no setting before it has joined: until then that
    goes nowhere."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def keep_deaths_back() -> None:
    """From now on a log (level INFO) gets what Ray prints of actors that died. It has no setting for that: where it
    prints by another function than it does today, it goes on printing."""
    from ray._private import worker

    prints = getattr(worker, "print_to_stdstream", None)
    if prints is None or hasattr(prints, "keeps_back"):
        return

    def print_the_rest(data: Mapping[str, Any], *args: Any, **given: Any) -> None:
        lines = [str(line) for line in data.get("lines", ())]
        if lines and all(line.lstrip().startswith(DEATHS) for line in lines):
            logger.info("Ray: %s", " ".join(lines))
        else:
            prints(data, *args, **given)

    print_the_rest.keeps_back = True  # type: ignore[attr-defined]
    worker.print_to_stdstream = print_the_rest
