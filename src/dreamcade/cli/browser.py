"""The page, opened for whoever started its server."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser


def open_browser(address: str) -> None:
    """Opens `address` in the browser where there is a screen; returns at once. Elsewhere the printed address serves."""
    threading.Thread(target=_open, args=(address,), daemon=True).start()


def _open(address: str) -> None:
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return  # webbrowser would start a text browser inside this terminal
    try:
        webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return
