"""A worker of another version of dreamcade."""

from __future__ import annotations

from typing import Any

from dreamcade.cluster import wire


def run(address: str, name: str, token: str, **arguments: Any) -> None:
    """As far as it comes."""
    wire.version = lambda package: "0.0.1"
    wire.knock(address, name, token)
