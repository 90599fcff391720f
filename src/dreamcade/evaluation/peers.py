"""What others have published of worlds like these, with what must be known before comparing."""

from __future__ import annotations

PEERS: tuple[tuple[str, str, str], ...] = (
    ("GameNGen (Doom, 320×240, TPU v5)", "PSNR 29.4 dB, LPIPS 0.249",
     "next frame with true context, 20 frames a second; no persistence figure published"),
    ("arXiv 2602.00608 (2D platformer, 256×256, 8 accelerators)", "LPIPS 0.052, FID 28.5",
     "no code, weights or persistence figure published; FID is on Inception features, ours is not FID"),
    ("Oasis 500M (Minecraft, 360×640)", "about 9 frames a second on an RTX 4090", "no frame metrics published"),
    ("DIAMOND (Atari, 64×64)", "judged by the scores of agents trained in it", "another question than how frames look"),
    ("MIRA (288×512)", "splits codec floor and dynamics error per horizon, as here", "its own games and features"),
)  # fmt: skip
"""System, figure, caveat."""
