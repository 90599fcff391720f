"""A real Chromium without a window, driven from here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dreamcade.core.errors import BadInputError, MissingExtraError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-gpu",  # without a window there is mostly none; what emulates one in software is slower than none
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Chromium until the block ends: the system's, else the one that Playwright has installed.

    Raises `MissingExtraError` without Playwright, `BadInputError` where there is no Chromium.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise MissingExtraError("driving a browser", "browser") from error
    with sync_playwright() as driver:
        own = driver.chromium.executable_path
        path = next(filter(None, map(shutil.which, NAMES)), own if Path(own).exists() else None)
        if path is None:
            raise BadInputError(
                "driving a browser needs Chromium, and none was found; install it with your system's packages "
                "(apt-get install chromium) or with: playwright install chromium"
            )
        as_root = hasattr(os, "geteuid") and os.geteuid() == 0  # whom Chromium's sandbox refuses
        flags = [*FLAGS, *(["--no-sandbox"] if as_root else [])]
        # Ctrl-C is ours to answer: Playwright would end itself before we have closed the browser.
        browser = driver.chromium.launch(executable_path=path, args=flags, handle_sigint=False)
        try:
            yield browser
        finally:
            browser.close()
