"""Files that are either whole or absent."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dreamcade.core.errors import BadInputError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it takes `path`'s place, on any error it vanishes.

    A full disk, or a place where nothing can be written, becomes a `BadInputError` that names the file.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except Exception as error:
        raise _named(error, path) from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Like `atomic_path`, for a folder; an existing folder at `path` is replaced only on success."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
        yield temporary
        os.chmod(temporary, 0o755)
        _exchange(temporary, path)
    except Exception as error:
        raise _named(error, path) from error
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, path: Path) -> None:
    """Puts the folder `new` at `path`. What stood there is back if that fails, and once more if it was killed."""
    old = path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        os.replace(old, path)
    shutil.rmtree(old, ignore_errors=True)
    if not path.exists():
        os.replace(new, path)
        return
    os.replace(path, old)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _named(error: Exception, path: Path) -> Exception:
    """`error` as one line that names `path`, where a disk is its cause; else `error` itself."""
    full = getattr(error, "errno", None) == errno.ENOSPC or "os error 28" in str(error)
    if not full and isinstance(error, OSError) and error.errno is None:  # how numpy tells of a short write
        full = shutil.disk_usage(path.parent).free < 1 << 20
    if full:
        return BadInputError(f"the disk is full while writing {path}; free some space and run it again")
    if isinstance(error, OSError):
        return BadInputError(
            f"cannot write {path}: {error.strerror or error}; choose another place, or make room there"
        )
    return error


def expect_writable(path: Path) -> None:
    """Raises `BadInputError` where `path` could not be written, before the work whose result it takes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise _named(error, path) from error


def write_json(path: Path, data: Any) -> None:
    """Writes `data` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n")


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data`, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
