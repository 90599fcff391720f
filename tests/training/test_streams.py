"""Streams: what they put before the model is what was recorded."""

import numpy as np
import pytest
import torch

from dreamcade.codec import Codec, CodecConfig
from dreamcade.dynamics import LOWEST_LEVEL, Dynamics, DynamicsConfig
from dreamcade.training.dynamics_loss import KNEE, channel_importance, draw_levels, dynamics_loss
from dreamcade.training.latent_pool import LatentPool
from dreamcade.training.latent_store import LatentEpisode
from dreamcade.training.streams import Streams

TINY = DynamicsConfig(
    latent_channels=8,
    latent_height=2,
    latent_width=3,
    action_size=2,
    action_history=3,
    recent=2,
    width=16,
    depth=2,
    heads=2,
    memory=4,
    memory_layers=(1,),
    condition_width=8,
)


@pytest.fixture
def model() -> Dynamics:
    torch.manual_seed(0)
    model = Dynamics(TINY)
    model.fit(0.5 * torch.randn(30, *TINY.latent_shape))
    return model


@pytest.fixture
def store() -> list[LatentEpisode]:
    """Two plays, the first of them longer."""
    rng = np.random.default_rng(0)
    return [
        LatentEpisode(
            name,
            rng.integers(-127, 128, (length, *TINY.latent_shape), dtype=np.int8),
            rng.uniform(-1, 1, (length, 2)).astype(np.float32),
        )
        for name, length in (("a", 34), ("b", 30))
    ]


@pytest.fixture
def pool(store: list[LatentEpisode]) -> LatentPool:
    return LatentPool.of(store, torch.device("cpu"))


def place(streams: Streams, model: Dynamics, pool: LatentPool, *rows: tuple[int, int, int]) -> None:
    """Puts the first rows at (play, position), remembering so many frames."""
    plays, positions, keep = np.array(rows).T
    streams.place(model, np.arange(len(rows)), pool, plays, positions, keep)


def test_a_stream_follows_the_recording(model: Dynamics, store: list[LatentEpisode], pool: LatentPool) -> None:
    streams = Streams.empty(model, 2)
    place(streams, model, pool, (0, 10, 4), (1, 1, 2))
    actions = streams.actions(pool, 3)
    torch.testing.assert_close(actions[0], torch.from_numpy(store[0].actions[8:11]))
    assert (actions[1, 0] == 0).all() and torch.equal(actions[1, 1:], torch.from_numpy(store[1].actions[0:2]))
    torch.testing.assert_close(streams.targets(model, pool)[0], model.to_tokens(store[0].latent(11)))
    torch.testing.assert_close(streams.frames[0, 2], model.to_tokens(store[0].latent(8)))
    torch.testing.assert_close(streams.led[0, 0], torch.from_numpy(store[0].actions[9]))
    assert (streams.led[1, 1] == 0).all()  # nothing led to a play's first frame
    assert (streams.frames[1, 2:] == 0).all() and (streams.led[1, 2:] == 0).all()
    context = streams.context(model, actions)
    assert context.ages.tolist() == [[0, 1, 2, 3], [0, 1, -1, -1]]
    torch.testing.assert_close(context.recent[1, 1], model.to_tokens(store[1].latent(0)))


@torch.no_grad()
def test_advancing_along_the_truth_equals_starting_later(model: Dynamics, pool: LatentPool) -> None:
    walked, placed = (Streams.empty(model, 1) for _ in range(2))
    place(walked, model, pool, (1, 10, 4))
    for _ in range(3):
        walked.advance(walked.targets(model, pool), walked.actions(pool, 3)[:, -1])
    place(placed, model, pool, (1, 13, 4))
    for name in ("frames", "led", "filled"):
        torch.testing.assert_close(getattr(walked, name), getattr(placed, name))
    assert walked.position[0] == placed.position[0] == 13 and walked.length[0] == 3


def test_rows_end_at_their_limit(model: Dynamics, pool: LatentPool) -> None:
    streams, rng = Streams.empty(model, 8), np.random.default_rng(0)
    for longest in (1, 20):
        limits = []
        for _ in range(60):
            streams.limit[:] = 0
            streams.restart_finished(model, pool, longest, rng)
            assert (streams.length == 0).all()
            limits.append(streams.limit.copy())
        assert np.max(limits) == longest and np.min(limits) == 1
        assert np.max(np.array(limits)[:, ::4]) == min(3, longest)
    streams.episode[:] = 1
    streams.limit[:], streams.position[:] = 5, [10, 10, 28, 10, 10, 10, 10, 10]
    streams.length[:] = [5, 4, 0, 7, 0, 0, 0, 0]
    streams.restart_finished(model, pool, 20, rng)
    assert (streams.length == [0, 4, 0, 0, 0, 0, 0, 0]).all()
    assert streams.position[2] != 28 and (streams.position[4:] == 10).all()


def test_rows_that_are_ended_begin_anew(model: Dynamics, pool: LatentPool) -> None:
    streams, rng = Streams.empty(model, 4), np.random.default_rng(0)
    streams.restart_finished(model, pool, 20, rng)
    streams.limit[:], streams.length[:] = 20, 5
    streams.position[:] = 0
    streams.end(torch.tensor([False, True, False, True]))
    streams.restart_finished(model, pool, 20, rng)
    assert streams.length.tolist() == [5, 0, 5, 0]


def test_starts_are_recorded_frames_slightly_disturbed(
    model: Dynamics, store: list[LatentEpisode], pool: LatentPool
) -> None:
    streams, rng = Streams.empty(model, 50), np.random.default_rng(1)
    torch.manual_seed(0)
    streams.restart(model, np.arange(50), pool, rng)
    true = torch.stack(
        [model.to_tokens(store[e].latent(int(t))) for e, t in zip(streams.episode, streams.position, strict=True)]
    )
    errors = (streams.frames[:, 0] - true).square().mean((1, 2)).sqrt()
    assert errors.max() < 0.4 and errors.median() < 0.15 and errors.min() < 0.01
    shares = [(streams.episode == play).mean() for play in (0, 1)]
    assert min(shares) > 0.3
    assert (streams.filled.numpy() <= np.minimum(4, streams.position + 1)).all()
    assert ((streams.filled.numpy() == np.minimum(4, streams.position + 1)).mean()) > 0.8


def test_loss_is_zero_for_the_truth_and_grows_gently() -> None:
    target = torch.zeros(2, 6, 8)
    assert dynamics_loss(target, target)[0] == 0
    small, errors = dynamics_loss(target + 0.01, target)
    torch.testing.assert_close(small, torch.tensor(0.01**2), rtol=1e-2, atol=0)
    torch.testing.assert_close(errors, torch.full((2,), 0.01))
    large, _ = dynamics_loss(target + 100.0, target)
    torch.testing.assert_close(large, torch.tensor(2 * KNEE * 100), rtol=1e-2, atol=0)


def test_channels_are_as_important_as_what_they_change() -> None:
    torch.manual_seed(0)
    codec = Codec(CodecConfig(64, 96, fold=2, gather=2, channels=4, coarse_width=8, fine_width=8))
    with torch.no_grad():
        for parameter in codec.decoder.parameters():
            parameter.zero_()
        codec.decoder.linear.weight[:, :2] = torch.randn(48, 1, 1, 1)
        codec.decoder.linear.weight[:, 1] *= 2
    importance = channel_importance(codec, torch.rand(3, *codec.config.latent_shape))
    torch.testing.assert_close(importance, 0.25 + 0.75 * 4 * torch.tensor([0.2, 0.8, 0.0, 0.0]), atol=1e-3, rtol=0)


def test_noise_levels_are_mostly_those_at_which_a_world_is_played() -> None:
    levels = draw_levels(8000, (1.0, 0.8), torch.device("cpu"))
    assert levels.min() >= LOWEST_LEVEL and levels.max() == 1.0
    for played in (1.0, 0.8):
        assert 0.34 < (levels == played).float().mean() < 0.41
    rest = levels[(levels != 1.0) & (levels != torch.tensor(0.8))]
    assert abs(rest.mean() - (LOWEST_LEVEL + 1) / 2) < 0.03
