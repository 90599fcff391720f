"""Is this bundle whole, and does it make a frame?"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from dreamcade.core.errors import WorldError
from dreamcade.dynamics import DynamicsState
from dreamcade.world.starts import Start
from dreamcade.world.world import World


def verify_world(name: str | Path) -> list[str]:
    """Loads a world (hashes, formats, shapes), checks every start, and makes one frame from each.

    Returns a line for each thing that was found right; raises `WorldError` at the first that is not.
    """
    world = World.load(name)
    return [
        f"{len(world.manifest.files)} files match their hashes",
        f"weights fit their configs ({_count(world)} parameters)",
        *_verify_predictor(world),
        *_verify_starts(world),
        *_verify_extrapolation(world),
    ]


@torch.inference_mode()
def _verify_predictor(world: World) -> Iterator[str]:
    if world.predictor is None:
        return
    logits, _ = world.predictor.step(torch.from_numpy(world.controls.idle())[None])
    if not bool(torch.isfinite(logits).all()):
        raise WorldError("the predictor makes values that are not finite when nothing is pressed; train it again")
    levels = ", ".join(map(str, world.predictor.config.levels))
    yield f"the predictor chooses from {world.predictor.config.vocabulary} actions, on {levels} levels"


def _verify_starts(world: World) -> Iterator[str]:
    if not world.starts:
        raise WorldError(f"world {world.manifest.name!r} has no starts; nothing can be played from it")
    names = [start.name for start in world.starts]
    if len(set(names)) != len(names):
        raise WorldError(f"world {world.manifest.name!r} has two starts of one name: {', '.join(names)}")
    for start in world.starts:
        _verify_thumbnail(start)
        _verify_frame(world, start)
        yield f"start {start.name!r}: {len(start.latents)} frames of context, and the next one was made"


def _verify_thumbnail(start: Start) -> None:
    try:
        with Image.open(io.BytesIO(start.thumbnail)) as image:
            image.verify()
    except (OSError, SyntaxError) as error:
        raise WorldError(f"the thumbnail of start {start.name!r} is damaged ({error})") from error


@torch.inference_mode()
def _verify_extrapolation(world: World) -> Iterator[str]:
    if world.extrapolator is None:
        return
    for start in world.starts:
        state = _primed(world, start)
        for ahead in (0.5, 1.0):
            tokens = world.extrapolator(state.recent(torch.zeros(1, dtype=torch.int64)), state.actions, ahead)
            if tuple(tokens.shape[1:]) != world.dynamics.noise_shape or not bool(torch.isfinite(tokens).all()):
                raise WorldError(
                    f"the extrapolation from start {start.name!r} is not finite or has the wrong shape; calibrate again"
                )
    config = world.extrapolator.config
    yield (
        f"extrapolation goes on from every start (at most {config.most_skips} in a row, actions at most "
        f"{config.action_distance:g} apart, curvature at most {config.curvature:g})"
    )


def _primed(world: World, start: Start) -> DynamicsState:
    state, row = world.dynamics.new_state(1), torch.zeros(1, dtype=torch.int64)
    for latent, action in zip(start.latents.float(), start.actions.float(), strict=True):
        world.dynamics.observe(state, row, latent[None], action[None])
    return state


@torch.inference_mode()
def _verify_frame(world: World, start: Start) -> None:
    dynamics, row = world.dynamics, torch.zeros(1, dtype=torch.int64)
    state = _primed(world, start)
    idle = torch.from_numpy(world.controls.idle())[None]
    shape = (world.manifest.sampling_steps, 1, *dynamics.noise_shape)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    latents = dynamics.step(state, row, idle, noise)
    if not bool(torch.isfinite(latents).all()):
        raise WorldError(f"the dynamics makes values that are not finite from start {start.name!r}")
    pixels = world.codec.decode_pixels(latents)
    width, height = world.frame_size
    if pixels.dtype != torch.uint8 or tuple(pixels.shape) != (1, height, width, 3):
        got = f"{pixels.dtype} {list(pixels.shape)}"
        raise WorldError(f"the codec must make uint8 [1, {height}, {width}, 3]; it makes {got}")


def _count(world: World) -> str:
    parameters = sum(p.numel() for module in (world.codec, world.dynamics) for p in module.parameters())
    return f"{parameters / 1e6:.1f} million"
