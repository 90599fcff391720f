"""The report: one HTML file that needs nothing else, with the verdicts, the plots and the pictures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from dreamcade.core.files import atomic_path
from dreamcade.evaluation.criteria import Criterion
from dreamcade.evaluation.rollouts import HORIZONS

_STYLE = """
:root { color-scheme: light dark; --ink: #0f172a; --soft: #64748b; --paper: #fff; --line: #e2e8f0; --card: #f8fafc; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e2e8f0; --soft: #94a3b8; --paper: #0b1120; --line: #1e293b; --card: #111827; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 76rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 2rem; margin: 0 0 .3rem; } h2 { margin: 2.6rem 0 .6rem; font-size: 1.25rem; }
p, figcaption { color: var(--soft); max-width: 62rem; } figure { margin: 1rem 0 1.8rem; }
img { max-width: 100%; border-radius: 10px; border: 1px solid var(--line); background: #fff; display: block; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .45rem .8rem; border-bottom: 1px solid var(--line); } th { color: var(--soft);
  font-weight: 600; font-size: .85rem; } td.n, th.n { text-align: right; }
.verdict { display: inline-block; min-width: 3.4rem; text-align: center; border-radius: 99px; font-weight: 600;
  font-size: .82rem; padding: .1rem .7rem; color: #fff; }
.yes { background: #16a34a; } .no { background: #dc2626; } .none { background: #94a3b8; }
.big { display: flex; gap: 1rem; flex-wrap: wrap; margin: 1.4rem 0; }
.big div { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: .8rem 1.2rem;
  flex: 1; }
.big b { display: block; font-size: 1.7rem; font-variant-numeric: tabular-nums; } .big span { color: var(--soft); }
"""


def write_report(
    path: Path, figures: Mapping[str, Any], criteria: Sequence[Criterion], plots: Mapping[str, bytes],
    sheets: Mapping[str, Image.Image],
) -> None:  # fmt: skip
    """Writes the page to `path`. `plots` (PNG bytes) and `sheets` are shown in order under their captions."""
    title = f"{html.escape(str(figures['world']))}: evaluation"
    parts = [
        f"<h1>{title}</h1>",
        f"<p>{html.escape(_origin(figures))}</p>",
        _headline(figures),
        "<h2>What must hold</h2>",
        _criteria_table(criteria),
        "<h2>Frames ahead</h2>",
        "<p>Sessions are primed with real context and rolled out under the recorded actions. Persistence repeats the "
        "last context frame; the codec floor is the real frame, encoded and decoded. In brackets: 95 % interval, "
        "episodes drawn with replacement.</p>",
        _horizon_table(figures),
        "<h2>Dream and game, side by side</h2>",
        _closed_loop_table(figures),
        *(_figure(_image(png, name), name) for name, png in plots.items()),
        "<h2>Pictures</h2>",
        *(_figure(_image(_jpeg(sheet), name, "jpeg"), name) for name, sheet in sheets.items()),
    ]
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<body>{''.join(parts)}</body></html>\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _origin(figures: Mapping[str, Any]) -> str:
    quick = " Quick run: too few windows for firm figures." if figures.get("quick") else ""
    return (
        f"{figures['windows']} windows of {figures['heldout_episodes']} held-out episodes, seed {figures['seed']}, "
        f"{figures['sampling_steps']} sampling steps, {figures['seconds']:.0f} s on {figures['machine']}.{quick}"
    )


def _headline(figures: Mapping[str, Any]) -> str:
    share, tries = figures.get("steer_response"), figures.get("steer_response_tries")
    still, game = _number(figures.get("psnr_h16_persistence")), _number(figures.get("pilot_seconds_median_real"))
    boxes = [
        (_number(figures.get("psnr_codec"), " dB"), "codec floor"),
        (_number(figures.get("psnr_h16"), " dB"), f"16 frames ahead (persistence {still})"),
        (_number(None if share is None else 100 * share, " %"), f"of {tries or 'no'} starts answer the wheel"),
        (_number(figures.get("pilot_seconds_median"), " s"), f"pilot, median (game {game})"),
    ]  # fmt: skip
    return '<div class="big">' + "".join(f"<div><b>{v}</b><span>{t}</span></div>" for v, t in boxes) + "</div>"


def _criteria_table(criteria: Sequence[Criterion]) -> str:
    words = {True: ("yes", "holds"), False: ("no", "fails"), None: ("none", "open")}
    rows = [
        f'<tr><td>{html.escape(c.title)}</td><td class="n">{c.value}</td><td class="n">{c.target}</td>'
        f'<td><span class="verdict {words[c.passed][0]}">{words[c.passed][1]}</span></td></tr>'
        for c in criteria
    ]
    head = '<tr><th></th><th class="n">measured</th><th class="n">must be</th><th></th></tr>'
    return f"<table>{head}{''.join(rows)}</table>"


def _horizon_table(figures: Mapping[str, Any]) -> str:
    head = "".join(f'<th class="n">{n}</th>' for n in ("dream", "persistence", "codec floor"))
    rows = []
    for measure, digits in (("psnr", 2), ("lpips", 3)):
        for h in HORIZONS:
            key = f"{measure}_h{h}"
            low, high = figures[f"{key}_interval"]
            dream = f"{figures[key]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
            rest = [f"{figures[f'{key}_{s}']:.{digits}f}" for s in ("persistence", "codec")]
            cells = "".join(f'<td class="n">{value}</td>' for value in (dream, *rest))
            rows.append(f"<tr><td>{'PSNR, dB' if measure == 'psnr' else 'LPIPS'}, {h} ahead</td>{cells}</tr>")
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _closed_loop_table(figures: Mapping[str, Any]) -> str:
    limit = figures.get("pilot_limit")
    names = {
        "pilot_seconds_median": "Pilot: median seconds on the road",
        f"pilot_reached_{round(limit or 0)}s": "Pilot: drives that lasted",
        "pilot_starts": "Pilot: drives",
        "pilot_steer_share": "Share of frames with |steer| > 0.1",
        "pilot_bends_per_minute": "Bends a minute",
        "pilot_frame_difference": "Mean difference of neighbouring frames (0…255)",
        "steer_response": "Starts where left and right turn the scene the right way",
        "steer_response_tries": "Starts tried",
    }
    rows = "".join(
        f'<tr><td>{text}</td><td class="n">{_number(figures.get(key))}</td>'
        f'<td class="n">{_number(figures.get(key + "_real"))}</td></tr>'
        for key, text in names.items()
    )
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in figures.get("notes", []))
    return f'{notes}<table><tr><th></th><th class="n">dream</th><th class="n">game</th></tr>{rows}</table>'


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "—"
    return f"{value}{unit}" if isinstance(value, int) else f"{value:.3g}{unit}"


def _figure(image: str, caption: str) -> str:
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _image(data: bytes, alt: str, kind: str = "png") -> str:
    return f'<img alt="{html.escape(alt)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _jpeg(sheet: Image.Image) -> bytes:
    # The page carries JPEG to stay small; the PNG files beside it are the exact ones.
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88, subsampling=0)
    return buffer.getvalue()
