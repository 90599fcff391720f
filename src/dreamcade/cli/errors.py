"""What ends a command, as an exit code and at most one line on stderr."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable

from dreamcade.core.errors import DreamcadeError

BAD_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 1


def exit_code_of(command: Callable[[], object]) -> int:
    """Runs `command` → 0; 2 for what the caller got wrong; 130 for Ctrl-C; 1 when nobody reads the output.

    What no caller can cause passes through, with its traceback.
    """
    try:
        code = _run(command)
        sys.stdout.flush()
    except KeyboardInterrupt:  # in the middle of the last line
        code = INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more on its way out; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    if code == INTERRUPTED:
        # A terminal has just echoed ^C: begin a line of our own.
        print("\nstopped" if sys.stderr.isatty() else "stopped", file=sys.stderr)
    return code


def end_at_once(code: int) -> None:
    """Ends this process where a thread is still busy, such as with loading a world: Python would take the ground from
    under a network that is being compiled, which then aborts. Returns where there is no such thread."""
    if any(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(command: Callable[[], object]) -> int:
    try:
        command()
    except SystemExit as end:  # how Typer ends, also after a usage error and Ctrl-C
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except DreamcadeError as error:
        print(f"dreamcade: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    return 0
