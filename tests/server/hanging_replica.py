"""A replica whose passes can be made to hang, while its process lives on and sends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from dreamcade.server import replica


def play(name: str, signs: str, **arguments: Any) -> None:
    """As `replica.play`; it hangs as long as the folder `signs` has a file of its name."""
    from dreamcade.engine.passes import Passes

    compute, sign = Passes.compute, Path(signs) / name

    def hang(*asked: Any) -> Any:
        while sign.exists():
            time.sleep(0.01)
        return compute(*asked)

    Passes.compute = hang  # type: ignore[method-assign]
    replica.play(name=name, **arguments)
