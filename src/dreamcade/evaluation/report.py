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
from dreamcade.evaluation.axis import Axis, Criterion
from dreamcade.evaluation.peers import PEERS

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
nav { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; margin: 1rem 0; } nav a { color: #2563eb; }
.summary td:first-child { white-space: nowrap; font-weight: 600; }
"""


def write_report(path: Path, figures: Mapping[str, Any], axes: Sequence[Axis]) -> None:
    """Writes the page to `path`: the verdicts, then every axis with its table, clips, plots and pictures."""
    title = f"{html.escape(str(figures['world']))}: evaluation"
    parts = [
        f"<h1>{title}</h1>",
        f"<p>{html.escape(_origin(figures))}</p>",
        _navigation(axes),
        _summary(axes),
        "<h2>What must hold</h2>",
        _criteria_table([line for axis in axes for line in axis.criteria]),
        *(f"<p>{html.escape(note)}</p>" for note in figures["notes"]),
        *(_section(axis) for axis in axes),
        _peers(),
    ]
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<body>{''.join(parts)}</body></html>\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _origin(figures: Mapping[str, Any]) -> str:
    quick = " Quick run: too little for firm figures." if figures.get("quick") else ""
    return (
        f"{figures['heldout_episodes']} held-out episodes, seed {figures['seed']}, {figures['sampling_steps']} "
        f"sampling steps, {figures['seconds']:.0f} s on {figures['machine']}.{quick}"
    )


def _navigation(axes: Sequence[Axis]) -> str:
    return "<nav>" + "".join(f'<a href="#{a.name}">{html.escape(a.title)}</a>' for a in axes) + "</nav>"


def _summary(axes: Sequence[Axis]) -> str:
    rows = []
    for axis in axes:
        judged = [line.passed for line in axis.criteria if line.passed is not None]
        word = (
            ("none", "open")
            if not judged
            else ("yes", "holds")
            if all(judged)
            else ("no", f"{sum(judged)} of {len(judged)}")
        )
        rows.append(
            f"<tr><td>{html.escape(axis.title)}</td><td>{html.escape(axis.verdict)}</td>"
            f'<td><span class="verdict {word[0]}">{word[1]}</span></td></tr>'
        )
    return f'<table class="summary">{"".join(rows)}</table>'


def _criteria_table(criteria: Sequence[Criterion]) -> str:
    words = {True: ("yes", "holds"), False: ("no", "fails"), None: ("none", "open")}
    rows = [
        f'<tr><td>{html.escape(c.title)}</td><td class="n">{c.value}</td><td class="n">{c.target}</td>'
        f'<td><span class="verdict {words[c.passed][0]}">{words[c.passed][1]}</span></td></tr>'
        for c in criteria
    ]
    head = '<tr><th></th><th class="n">measured</th><th class="n">must be</th><th></th></tr>'
    return f"<table>{head}{''.join(rows)}</table>"


def _section(axis: Axis) -> str:
    parts = [f'<h2 id="{axis.name}">{html.escape(axis.title)}</h2>', f"<p>{html.escape(axis.explanation)}</p>"]
    parts += [f"<p>{html.escape(note)}</p>" for note in axis.notes]
    if axis.rows:
        parts.append(_table(axis.columns, axis.rows))
    parts += [_figure(_image(data, name, "webp"), name) for name, data in axis.clips.items()]
    parts += [_figure(_image(png, name), name) for name, png in axis.plots.items()]
    parts += [_figure(_image(_jpeg(sheet), name, "jpeg"), name) for name, sheet in axis.sheets.items()]
    return "".join(parts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th class="{"n" if i else ""}">{html.escape(name)}</th>' for i, name in enumerate(columns))
    body = "".join(
        "<tr>" + "".join(f'<td class="{"n" if i else ""}">{html.escape(v)}</td>' for i, v in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _peers() -> str:
    explanation = (
        "What others have published, each measured in its own way on its own game: next-frame PSNR depends on how much "
        "moves between two frames, so none of these figures ranks against ours without persistence beside it."
    )
    return f'<h2 id="peers">Others</h2><p>{explanation}</p>' + _table(("system", "figure", "caveat"), PEERS)


def _figure(image: str, caption: str) -> str:
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _image(data: bytes, alt: str, kind: str = "png") -> str:
    return f'<img alt="{html.escape(alt)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _jpeg(sheet: Image.Image) -> bytes:
    # The page carries JPEG to stay small; the PNG files beside it are the exact ones.
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88, subsampling=0)
    return buffer.getvalue()
