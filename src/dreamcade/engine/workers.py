"""The processes that help an engine: given what they need to know, and taken on by its executor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import torch

from dreamcade.cluster.hosts import Hosts
from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.meeting_place import MeetingPlace
from dreamcade.engine.executors.groups import Groups
from dreamcade.engine.executors.part import Part
from dreamcade.engine.executors.spread import Setting, SpreadExecutor
from dreamcade.engine.passes import Passes
from dreamcade.engine.spreading import Replan, expect_memory, folder_of
from dreamcade.world.world import World


def take_on(
    world: World, passes: Passes, dtype: torch.dtype, layout: Layout, workers: Sequence[str], hosts: Hosts, *,
    threads: int, replace: bool, replan: Replan | None, tell: Callable[[str], None],
) -> contextlib.ExitStack:  # fmt: skip
    """Starts a process on each of `workers`, and has them help in `passes` as `layout` says → what ends them, after
    which `passes` are made by this process alone again. `threads` of each on a CPU; the rest as in `SpreadExecutor`.

    Raises `BadInputError` where they have no room, or cannot begin.
    """
    expect_memory(world, workers)
    own = passes.executor
    with contextlib.ExitStack() as closing:
        groups, store = None, ""
        if layout.dit_devices > 1 or layout.decoding == Decoding.SPATIAL or replan is not None:
            place = MeetingPlace()
            closing.callback(place.close)
            part = Part(passes.dynamics, passes.codec, place.store)
            groups, store = Groups(part, passes.dynamics.config.tokens), place.address
        example = torch.zeros(1, *world.codec.config.latent_shape, dtype=passes.dtype, device=passes.device)
        setting = Setting(
            str(closing.enter_context(folder_of(world))), world.identity, tuple(workers),
            str(dtype).removeprefix("torch."), own.kernels.value, passes.sampling_steps, threads, replace, store,
        )  # fmt: skip
        spread = SpreadExecutor(own, layout, setting, hosts, tell, replan, groups, example)
        closing.callback(spread.close)
        passes.executor = spread
        closing.callback(setattr, passes, "executor", own)
        return closing.pop_all()
