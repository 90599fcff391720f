"""Error against training: what `train dynamics` noted of held-out play, for one world or several.

    python recipes/curves.py OUT.png LABEL=runs/racing.training/dynamics.figures.jsonl …

One panel per distance ahead; decibels of the small picture above persistence against the steps of training.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HORIZONS = (1, 8, 32)


def read(path: Path) -> list[dict[str, float]]:
    """One line per check; a training that was begun again takes the place of what it repeats."""
    rows: dict[int, dict[str, float]] = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        rows = {step: kept for step, kept in rows.items() if step < row["step"]}
        rows[int(row["step"])] = row
    return [rows[step] for step in sorted(rows)]


def main(out: Path, files: dict[str, Path]) -> None:
    curves = {label: read(path) for label, path in files.items()}
    figure, panels = plt.subplots(1, len(HORIZONS), figsize=(12, 3.6), layout="constrained")
    for panel, ahead in zip(panels, HORIZONS, strict=True):
        for label, rows in curves.items():
            gain = [row[f"psnr_h{ahead}"] - row[f"psnr_h{ahead}_persistence"] for row in rows]
            panel.plot([row["step"] for row in rows], gain, marker=".", label=label)
        panel.set(title=f"{ahead} frame{'s' if ahead > 1 else ''} ahead", xlabel="steps")
        panel.axhline(0, color="#94a3b8", lw=1)
        panel.grid(alpha=0.25)
    panels[0].set_ylabel("dB above persistence")
    panels[-1].legend(frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    if len(sys.argv) < 3 or not all("=" in word for word in sys.argv[2:]):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), {label: Path(path) for label, path in (word.split("=", 1) for word in sys.argv[2:])})
