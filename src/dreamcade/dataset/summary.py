"""What is in a dataset: size, time, splits, actions, and how much of the game it covers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dreamcade.core.errors import DatasetError
from dreamcade.core.types import Pixels
from dreamcade.dataset.coverage import coverage, place_map, share
from dreamcade.dataset.format import EpisodeInfo
from dreamcade.dataset.pictures import different_pictures
from dreamcade.dataset.reader import Dataset

HISTOGRAM_BINS = 9
STEERED = 0.1
"""A control farther than this from rest counts as used."""
COMBINATIONS = 12
"""So many combinations of buttons are listed."""
BAR_WIDTH = 40


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """Figures over all whole episodes. Shares are between 0 and 1; `histograms` holds, per control, bin edges and
    shares; `rest_share` is the ticks with no control in use, `combinations` the buttons that are down together, those
    that are so most often (`left + fire`; empty for none); `coverage` what the game's own columns tell (only those that
    it exposes), `pictures` how many differ (see `different_pictures`), `map` where play has been."""

    game: str
    frame_size: tuple[int, int]
    tick_rate: float
    episodes: int
    heldout_episodes: int
    damaged: dict[str, str]
    frames: int
    seconds: float
    bytes: int
    buttons: list[str]
    used_share: dict[str, float]
    rest_share: float
    combinations: dict[str, float]
    histograms: dict[str, dict[str, list[float]]]
    coverage: dict[str, float]
    pictures: dict[str, float]
    map: list[str]
    styles: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def summarize(dataset: Dataset) -> DatasetSummary:
    """Reads every episode's columns, and a few frames. Raises `DatasetError` for a dataset without a whole episode."""
    pictures = different_pictures(dataset)  # first, so that an episode whose video is damaged counts nowhere
    tables = [(episode, *_tables(dataset, episode)) for episode in dataset.episodes()]
    good = [(episode, actions, columns) for episode, actions, columns in tables if actions is not None]
    if not good:
        raise DatasetError(f"{dataset.path} has no whole episode ({len(dataset.damaged)} damaged); record some first")
    actions = np.concatenate([a for _, a, _ in good])
    columns = {n: np.concatenate([c[n] for _, _, c in good]) for n in good[0][2] if all(n in c for _, _, c in good)}
    episodes = [episode for episode, _, _ in good]
    return DatasetSummary(
        game=dataset.meta.game,
        frame_size=dataset.meta.frame_size,
        tick_rate=dataset.meta.tick_rate,
        episodes=len(episodes),
        heldout_episodes=sum(e.split == "heldout" for e in episodes),
        damaged=dict(dataset.damaged),
        frames=len(actions),
        seconds=len(actions) / dataset.meta.tick_rate,
        bytes=sum(e.video_bytes + e.columns_bytes for e in episodes),
        buttons=[button.name for button in dataset.meta.controls.buttons],
        used_share={n: share(np.abs(actions[:, i]) > STEERED) for i, n in enumerate(dataset.meta.controls.names)},
        rest_share=share((np.abs(actions) <= STEERED).all(axis=1)),
        combinations=_combinations(dataset, actions),
        histograms=_histograms(dataset, actions),
        coverage=coverage(columns),
        pictures=pictures,
        map=place_map(columns),
        styles=_styles(columns),
    )


def _tables(dataset: Dataset, episode: EpisodeInfo) -> tuple[NDArray[np.float32] | None, dict[str, NDArray[Any]]]:
    try:
        actions = dataset.actions(episode)
        return actions, {name: dataset.column(episode, name) for name in dataset.column_names(episode)}
    except DatasetError:
        return None, {}  # the reader has entered it into `damaged`, which the summary shows


def _histograms(dataset: Dataset, actions: NDArray[np.float32]) -> dict[str, dict[str, list[float]]]:
    low, high = dataset.meta.controls.bounds()
    histograms = {}
    for i, name in enumerate(dataset.meta.controls.names):
        counts, edges = np.histogram(actions[:, i], bins=HISTOGRAM_BINS, range=(float(low[i]), float(high[i])))
        shares = [round(float(c) / len(actions), 5) for c in counts]
        histograms[name] = {"edges": [round(float(e), 4) for e in edges], "shares": shares}
    return histograms


def _combinations(dataset: Dataset, actions: NDArray[np.float32]) -> dict[str, float]:
    names = [button.name for button in dataset.meta.controls.buttons]
    if not names:
        return {}
    settings, counts = np.unique(actions[:, -len(names) :] >= 0.5, axis=0, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:COMBINATIONS]
    return {
        " + ".join(name for name, down in zip(names, settings[i], strict=True) if down): round(
            float(counts[i]) / len(actions), 4
        )
        for i in most
    }


def _styles(columns: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    if "style" not in columns:
        return {}
    counts = Counter(columns["style"].tolist())
    return {name: round(n / len(columns["style"]), 4) for name, n in counts.most_common()}


def summary_text(summary: DatasetSummary) -> str:
    """The summary for a terminal, histograms drawn as bars."""
    width, height = summary.frame_size
    lines = [
        f"{summary.game}, {width}x{height} at {summary.tick_rate:g} Hz",
        f"{summary.episodes} episodes ({summary.heldout_episodes} held out), {summary.frames} frames, "
        f"{summary.seconds / 60:.1f} minutes, {summary.bytes / 1e6:.1f} MB",
        *(f"damaged: {name}: {reason}" for name, reason in summary.damaged.items()),
    ]
    for name, histogram in summary.histograms.items():
        lines += ["", f"{name} (used in {summary.used_share[name]:.0%} of frames)"]
        if name in summary.buttons:
            continue
        edges, most = histogram["edges"], max(histogram["shares"])
        for low, high, part in zip(edges, edges[1:], histogram["shares"], strict=False):
            lines.append(f"  {low:+.2f} … {high:+.2f} {part:7.2%} {'█' * round(BAR_WIDTH * part / most)}")
    lines += ["", f"at rest in {summary.rest_share:.0%} of frames"]
    if summary.combinations:
        lines += ["", "buttons that are down together, most often first"]
        lines += [f"  {part:6.1%}  {together or '(none)'}" for together, part in summary.combinations.items()]
    if summary.pictures:
        looked_at, different, commonest = (summary.pictures[k] for k in ("looked_at", "different", "commonest"))
        lines += ["", f"{different:g} different pictures among {looked_at:g} looked at, coarsely compared"]
        lines += [f"  the commonest is {commonest:.0%} of them"]
    if summary.coverage:
        lines += ["", "coverage", *(f"  {name:<16} {value:g}" for name, value in summary.coverage.items())]
    if summary.map:
        lines += ["", "where it was played", *(f"  {line}" for line in summary.map)]
    if summary.styles:
        lines += ["", "styles of play", *(f"  {name:<16} {share:.1%}" for name, share in summary.styles.items())]
    return "\n".join(lines)


def contact_sheet(dataset: Dataset, columns: int = 6, rows: int = 5, width: int = 240) -> Pixels:
    """Thumbnails from all over the dataset in reading order, uint8 `[rows·h, columns·width, 3]`."""
    height = round(width * dataset.meta.frame_size[1] / dataset.meta.frame_size[0])
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    episodes = dataset.episodes()
    for cell in range(rows * columns):
        total = cell * len(episodes) / (rows * columns)
        episode = episodes[int(total)]
        tick = min(episode.length - 1, int((total - int(total) + 0.37 * cell) % 1.0 * episode.length))
        try:
            frame = dataset.frames(episode, tick, tick + 1)[0]
        except DatasetError:
            continue  # a black cell; the episode is now in `damaged`
        thumbnail = Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS)
        row, column = divmod(cell, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = np.asarray(thumbnail)
    return sheet
