"""`dreamcade play` in a process of its own, as a player would start it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from dreamcade.core.errors import BadInputError

WAKE_SECONDS = 180.0
STOP_SECONDS = 15.0


@contextmanager
def local_server(world: str, options: Sequence[str] = ()) -> Iterator[str]:
    """Plays `world` on a free port until the block ends → the address of its page, once the world is awake.

    A process of its own: it shares no interpreter with whoever measures it. Raises `BadInputError` with the server's
    own last line where it ends instead.
    """
    command = [sys.executable, "-m", "dreamcade", "play", world, "--no-browser", "--port", "0", *options]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        try:
            address = _address(process)
            while not _is_awake(address):
                if process.poll() is not None:
                    break
                time.sleep(0.1)
            if process.poll() is not None:
                raise BadInputError(_last_line(said))
            yield address
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    """What the server prints first; empty when it ended before."""
    assert process.stdout is not None
    impatient = threading.Timer(WAKE_SECONDS, process.kill)
    impatient.start()
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                return found[0]
    finally:
        impatient.cancel()
    process.wait()
    return ""


def _is_awake(address: str) -> bool:
    if not address:
        return False
    try:
        with urllib.request.urlopen(f"{address}/api/health", timeout=5) as answer:
            return bool(json.load(answer)["state"] == "awake")
    except OSError:
        return False


def _last_line(said: IO[str]) -> str:
    said.seek(0)
    lines = [line.strip() for line in said if line.strip()]
    return lines[-1].removeprefix("dreamcade: ") if lines else "the server ended before its world was awake"
