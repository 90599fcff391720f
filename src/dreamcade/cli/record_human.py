"""`dreamcade record GAME --policy human`: the page, with the real game behind it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dreamcade.core.errors import BadInputError
from dreamcade.games.registry import make_game

if TYPE_CHECKING:
    from dreamcade.dataset.format import EpisodeInfo
    from dreamcade.dataset.writer import DatasetWriter


def record_human(writer: DatasetWriter, controls: Path | None, first_seed: int, port: int) -> None:
    """Serves the page until Ctrl-C; every play becomes an episode of at most the recording's `ticks`."""
    from dreamcade.server.arcade import Arcade
    from dreamcade.server.listen import address_of, bind, serve
    from dreamcade.server.real_game import Recording, real_game_stage

    meta = writer.meta
    ticks = meta.recording["ticks"]
    assert isinstance(ticks, int)

    def told(info: EpisodeInfo) -> None:
        total = sum(e.length for e in writer.episodes)
        typer.echo(
            f"stored {info.name}: {info.length} ticks; {len(writer.episodes)} episodes, "
            f"{total / meta.tick_rate / 60:.1f} minutes so far"
        )

    recording = Recording(writer, lambda: make_game(meta.game, meta.frame_size, controls), ticks, first_seed, told)
    arcade = Arcade(lambda: [meta.game], lambda name: real_game_stage(recording))
    with bind("127.0.0.1", port) as listener:
        address = address_of("127.0.0.1", listener.getsockname()[1])
        typer.echo(f"Play {meta.game} at {address}; every play is recorded to {writer.path}   (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):  # the way to end it, and what was played is on disk
            serve(arcade, listener, "127.0.0.1")
    if not writer.episodes:
        raise BadInputError(f"nothing was played, so {writer.path} is empty; open the page and play for some seconds")
