"""What an engine tells the people who play in it: one sentence when devices were lost, or are back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

OnNotice = Callable[[str], None]

logger = logging.getLogger(__name__)


class Notices:
    """Passes sentences on to whoever listens. Any thread may tell; the listeners are called in that thread."""

    def __init__(self) -> None:
        self._listeners: list[OnNotice] = []
        self._guard = threading.Lock()

    def listen(self, listener: OnNotice) -> None:
        """From now on `listener` hears every sentence; it must return at once."""
        with self._guard:
            self._listeners.append(listener)

    def forget(self, listener: OnNotice) -> None:
        """The inverse of `listen`; forgetting twice is fine."""
        with self._guard:
            self._listeners = [known for known in self._listeners if known != listener]

    def tell(self, text: str) -> None:
        """Tells everybody. A listener that raises keeps it from nobody else."""
        with self._guard:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(text)
            except Exception:
                logger.exception("a listener to notices failed")
