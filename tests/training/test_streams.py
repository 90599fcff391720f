"""Streams: what they put before the model is what was recorded."""

import numpy as np
import pytest
import torch

from dreamcade.dynamics import Dynamics, DynamicsConfig
from dreamcade.training.dynamics_loss import detail_weights, draw_levels, dynamics_loss
from dreamcade.training.latent_store import LIMIT, StoredEpisode, quantise
from dreamcade.training.streams import Streams

TINY = DynamicsConfig(
    latent_height=8,
    latent_width=12,
    patch=4,
    action_size=2,
    action_history=3,
    code_size=6,
    width=16,
    depth=2,
    heads=2,
    memory=4,
    memory_layers=(1,),
    condition_width=8,
    feature_channels=2,
    painter_width=4,
)


@pytest.fixture
def model() -> Dynamics:
    torch.manual_seed(0)
    model = Dynamics(TINY)
    model.coder.fit(torch.randn(30, *TINY.latent_shape))
    return model


@pytest.fixture
def store(model: Dynamics) -> list[StoredEpisode]:
    rng = np.random.default_rng(0)
    episodes = []
    for name in "ab":
        latents = quantise(torch.from_numpy(rng.normal(size=(30, *TINY.latent_shape))))
        episodes.append(StoredEpisode(name, latents, rng.uniform(-1, 1, (30, 2)).astype(np.float32)))
        episodes[-1].attach_past(model)
    return episodes


def test_latents_survive_storage() -> None:
    latents = torch.randn(2, 12, 4, 6).clamp(-LIMIT, LIMIT)
    stored = StoredEpisode("x", quantise(latents), np.zeros((2, 1), np.float32))
    assert (stored.latent(slice(0, 2)) - latents).abs().max() <= LIMIT / 254 + 1e-6


def test_a_stream_follows_the_recording(model: Dynamics, store: list[StoredEpisode]) -> None:
    streams = Streams.empty(model, 2, torch.device("cpu"))
    for row, (episode, position) in enumerate([(0, 10), (1, 1)]):
        streams.place(row, store, episode, position, keep=min(4, position + 1))
    actions = streams.actions(store, 3)
    torch.testing.assert_close(actions[0], torch.from_numpy(store[0].actions[8:11]))
    assert (actions[1, 0] == 0).all() and torch.equal(actions[1, 1:], torch.from_numpy(store[1].actions[0:2]))
    latents, motions = streams.targets(store)
    torch.testing.assert_close(latents[0], store[0].latent(11))
    torch.testing.assert_close(
        motions[0], model.painter.measure(store[0].latent(slice(10, 11)), store[0].latent(slice(11, 12)))[0]
    )
    assert store[0].motions is not None and store[1].motions is not None
    torch.testing.assert_close(streams.motions[0], torch.from_numpy(store[0].motions[9:11]))
    torch.testing.assert_close(streams.motions[1, 1], torch.from_numpy(store[1].motions[1]))
    assert (streams.motions[1, 0] == 0).all()
    torch.testing.assert_close(streams.previous[0], store[0].latent(9))
    torch.testing.assert_close(streams.code_actions[0, 0], torch.from_numpy(store[0].actions[9]))
    torch.testing.assert_close(streams.codes[0, 2], model.coder(store[0].latent(slice(8, 9)))[0], atol=2e-2, rtol=2e-2)
    assert streams.context(model, actions).ages.tolist() == [[0, 1, 2, 3], [0, 1, -1, -1]]


@torch.no_grad()
def test_advancing_along_the_truth_equals_starting_later(model: Dynamics, store: list[StoredEpisode]) -> None:
    walked, placed = (Streams.empty(model, 1, torch.device("cpu")) for _ in range(2))
    walked.place(0, store, 0, 10, 4)
    for _ in range(3):
        walked.advance(model, *walked.targets(store), walked.actions(store, 3)[:, -1])
    placed.place(0, store, 0, 13, 4)
    for name in ("latest", "previous", "motions", "code_actions", "filled"):
        torch.testing.assert_close(getattr(walked, name), getattr(placed, name))
    torch.testing.assert_close(walked.codes, placed.codes, atol=2e-2, rtol=2e-2)
    assert walked.position[0] == placed.position[0] == 13 and walked.length[0] == 3


def test_rows_end_at_their_limit_or_when_astray(model: Dynamics, store: list[StoredEpisode]) -> None:
    streams, rng = Streams.empty(model, 6, torch.device("cpu")), np.random.default_rng(0)
    for longest in (1, 20):
        limits = []
        for _ in range(60):
            streams.end(np.ones(6, bool))
            streams.restart_finished(store, longest, rng)
            assert (streams.length == 0).all()
            limits.append(streams.limit.copy())
        assert np.max(limits) == longest and np.min(limits) == 1
        assert np.max(np.array(limits)[:, ::3]) == min(3, longest)
    streams.limit[:], streams.length[:], streams.position[:] = 5, [5, 4, 0, 7, 0, 0], [10, 10, 28, 10, 10, 10]
    streams.restart_finished(store, 20, rng)
    assert (streams.length == [0, 4, 0, 0, 0, 0]).all() and streams.position[2] != 28 and streams.position[4] == 10


def test_driving_is_what_a_context_would_hold(model: Dynamics, store: list[StoredEpisode]) -> None:
    driving, motions = store[0].driving(TINY.action_history)
    streams = Streams.empty(model, 1, torch.device("cpu"))
    streams.place(0, store, 0, 12, 4)
    at = 13 - max(TINY.action_history, 2)
    torch.testing.assert_close(streams.context(model, streams.actions(store, 3)).driving[0], driving[at])
    torch.testing.assert_close(streams.targets(store)[1][0], motions[at])


def test_loss_is_zero_for_the_truth_and_weights_details() -> None:
    target, code = torch.zeros(2, 12, 8, 12), torch.randn(2, 6, 6)
    target[..., 4, 5] = 20.0
    motion = torch.randn(2, 4)
    loss, errors = dynamics_loss((code, target, target, motion), target + 1, code, target, motion)
    assert loss < 0.05 and (errors == 0).all()
    weights = detail_weights(target)
    assert weights[0, 0, 4, 5] == 4.0 and weights[0, 0, 0, 0] == 1.0


def test_noise_levels() -> None:
    levels = draw_levels(4000, torch.device("cpu"))
    assert levels.min() >= 0.1 and levels.max() == 1.0 and 0.4 < (levels == 1).float().mean() < 0.5
