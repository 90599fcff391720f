"""Frames ↔ latents."""

from dreamcade.codec.codec import Codec
from dreamcade.codec.config import CodecConfig

__all__ = ["Codec", "CodecConfig"]
