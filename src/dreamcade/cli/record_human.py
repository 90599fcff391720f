"""`dreamcade record GAME --policy human`: the page, with the real game behind it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dreamcade.cli.browser import open_browser
from dreamcade.core.errors import BadInputError
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.games.registry import make_game

if TYPE_CHECKING:
    from dreamcade.dataset.format import DatasetMeta, EpisodeInfo
    from dreamcade.server.real_game import Recording


def record_human(
    out: Path, meta: DatasetMeta, controls: Path | None, first_seed: int, port: int, browser: bool
) -> tuple[DatasetWriter, int]:
    """Serves the page until Ctrl-C; every play becomes an episode of at most the recording's `ticks`.

    Returns the recording and how many of its episodes are new. Raises `BadInputError` where the port is taken or
    nothing was played; then no folder is left behind.
    """
    from dreamcade.server.arcade import Arcade
    from dreamcade.server.listen import address_of, bind, serve
    from dreamcade.server.real_game import real_game_stage

    with bind("127.0.0.1", port) as listener:
        writer = DatasetWriter(out, meta)
        before = len(writer.episodes)
        recording = _recording(writer, controls, first_seed)
        arcade = Arcade(lambda: [meta.game], lambda name: real_game_stage(recording), real_game=True)
        address = address_of("127.0.0.1", listener.getsockname()[1])
        try:
            with suppress(KeyboardInterrupt):  # the way to end it, and what was played is on disk
                typer.echo(f"Play {meta.game} at {address}; every play is recorded to {out}   (Ctrl-C ends it)")
                if browser:
                    open_browser(address)
                serve(arcade, listener, "127.0.0.1")
        finally:
            writer.drop_if_empty()
    if not writer.episodes:
        raise BadInputError(f"nothing was played, so {out} holds nothing; open the page and play for some seconds")
    return writer, len(writer.episodes) - before


def _recording(writer: DatasetWriter, controls: Path | None, first_seed: int) -> Recording:
    from dreamcade.server.real_game import Recording

    meta = writer.meta
    ticks = meta.recording["ticks"]
    assert isinstance(ticks, int)

    def told(info: EpisodeInfo) -> None:
        total = sum(e.length for e in writer.episodes)
        typer.echo(
            f"stored {info.name}: {info.length} ticks; {len(writer.episodes)} episodes, "
            f"{total / meta.tick_rate / 60:.1f} minutes so far"
        )

    return Recording(writer, lambda: make_game(meta.game, meta.frame_size, controls), ticks, first_seed, told)
