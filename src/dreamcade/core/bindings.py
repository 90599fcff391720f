"""Keys for controls that nobody has given any, in turn."""

from __future__ import annotations

FREE_KEYS = (
    ("ArrowLeft", "KeyA"), ("ArrowUp", "KeyW"), ("ArrowRight", "KeyD"), ("ArrowDown", "KeyS"), ("Space",), ("KeyE",),
    ("KeyQ",), ("KeyF",), ("KeyR",), ("Digit1",), ("Digit2",), ("Digit3",), ("Digit4",), ("Digit5",), ("Digit6",),
    ("Digit7",), ("Digit8",), ("Digit9",),
)  # fmt: skip
"""Of buttons."""
AXIS_KEYS = (
    (("ArrowLeft", "KeyA"), ("ArrowRight", "KeyD")), (("ArrowDown", "KeyS"), ("ArrowUp", "KeyW")),
    (("KeyQ",), ("KeyE",)), (("Digit1",), ("Digit2",)), (("Digit3",), ("Digit4",)), (("Digit5",), ("Digit6",)),
)  # fmt: skip
"""Of axes: down, up."""
