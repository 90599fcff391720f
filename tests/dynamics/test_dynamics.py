"""The dynamics: cached = uncached, batched = alone, causal, and what they refuse."""

import dataclasses

import pytest
import torch

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics import Dynamics, DynamicsConfig
from dreamcade.dynamics.transformer import action_features

TINY = DynamicsConfig(
    latent_channels=8,
    latent_height=2,
    latent_width=3,
    action_size=2,
    action_history=3,
    recent=3,
    width=32,
    depth=3,
    heads=2,
    memory=5,
    memory_layers=(0, 2),
    condition_width=16,
)


@pytest.fixture(params=[0, 8], ids=["still", "moving"])
def model(request: pytest.FixtureRequest) -> Dynamics:
    torch.manual_seed(0)
    model = Dynamics(dataclasses.replace(TINY, motion_points=request.param)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    if model.movement is not None:
        for table in (model.movement.draw, model.movement.backdrop, model.movement.tell):
            table.normal_(std=0.1)
    model.fit(0.5 * torch.randn(40, *TINY.latent_shape) + 0.2)
    return model.requires_grad_(False)


def play(seed: int, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(frames, 1, *TINY.latent_shape, generator=generator),
        torch.rand(frames, 1, 2, generator=generator) * 2 - 1,
    )


def observe_all(model: Dynamics, latents: torch.Tensor, actions: torch.Tensor, rows: list[int], batch: int = 3):  # type: ignore[no-untyped-def]
    state = model.new_state(batch)
    for latent, action in zip(latents, actions, strict=True):
        model.observe(state, torch.tensor(rows), latent.expand(len(rows), -1, -1, -1), action.expand(len(rows), -1))
    return state


@pytest.mark.parametrize("frames", [1, 2, 5, 6, 13])
def test_cached_equals_uncached(model: Dynamics, frames: int) -> None:
    latents, actions = play(0, frames)
    state = observe_all(model, latents, actions, [1])
    noise, action = torch.randn(2, 1, *model.noise_shape), torch.tensor([[0.5, -0.5]])
    cached = model.step(state, torch.tensor([1]), action, noise)

    kept = min(frames, TINY.memory)
    past, led = torch.zeros(1, TINY.memory, *model.noise_shape), torch.zeros(1, TINY.memory, 2)
    for age in range(kept):
        past[0, age], led[0, age] = model.to_tokens(latents[frames - 1 - age])[0], actions[frames - 1 - age, 0]
    history = torch.cat([torch.zeros(TINY.action_history, 1, 2), actions, action[None]])[-TINY.action_history :]
    context = model.context_from_frames(past, led, torch.tensor([kept]), history.transpose(0, 1))
    made = model.to_latents(model.sample(context, noise))
    torch.testing.assert_close(cached, made, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.latest(state, torch.tensor([1])), cached)


def test_batched_equals_alone(model: Dynamics) -> None:
    histories = [play(1, 4), play(2, 9)]
    together, noise = model.new_state(2), torch.randn(2, 2, *model.noise_shape)
    actions = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    alone = []
    for row, (latents, taken) in enumerate(histories):
        single = observe_all(model, latents, taken, [0], batch=1)
        alone.append(model.step(single, torch.tensor([0]), actions[row : row + 1], noise[:, row : row + 1]))
        for latent, action in zip(latents, taken, strict=True):
            model.observe(together, torch.tensor([row]), latent, action)
    batched = model.step(together, torch.tensor([0, 1]), actions, noise)
    torch.testing.assert_close(batched, torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_restored_equals_never_stopped(model: Dynamics) -> None:
    latents, actions = play(3, 7)
    state, rows = observe_all(model, latents, actions, [0]), torch.tensor([0])
    saved = state.read(0)
    other = model.new_state(3)
    other.write(2, saved)
    for step in range(8):
        noise, action = torch.randn(2, 1, *model.noise_shape), torch.rand(1, 2)
        expected = model.step(state, rows, action, noise)
        assert torch.equal(model.step(other, torch.tensor([2]), action, noise), expected), step


def test_rows_do_not_touch_each_other(model: Dynamics) -> None:
    latents, actions = play(4, 6)
    state = observe_all(model, latents, actions, [0, 1, 2])
    before = state.read(2)
    model.step(state, torch.tensor([0]), torch.zeros(1, 2), torch.randn(1, 1, *model.noise_shape))
    state.reset(torch.tensor([1]))
    after = state.read(2)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_sampling_steps(model: Dynamics, steps: int) -> None:
    levels = model.levels(steps)
    assert len(levels) == steps and levels[0] == 1.0 and list(levels) == sorted(levels, reverse=True)
    state = observe_all(model, *play(5, 3), [0])
    made = model.step(state, torch.tensor([0]), torch.zeros(1, 2), torch.randn(steps, 1, *model.noise_shape))
    assert made.shape == (1, *TINY.latent_shape) and made.isfinite().all()


def test_tokens_are_normalised_and_turn_back(model: Dynamics) -> None:
    latents = 0.5 * torch.randn(40, *TINY.latent_shape) + 0.2
    model.fit(latents)
    tokens = model.to_tokens(latents)
    torch.testing.assert_close(tokens.mean(0), torch.zeros(model.noise_shape), atol=1e-5, rtol=0)
    torch.testing.assert_close(tokens.square().mean(), torch.tensor(1.0))
    torch.testing.assert_close(model.to_latents(tokens), latents)
    assert torch.equal(model.to_tokens(latents[:3])[:, 4], tokens[:3, 4])  # cell (1, 1) of two rows of three


def test_channels_are_as_large_in_tokens_as_they_are_important(model: Dynamics) -> None:
    latents, importance = torch.randn(400, *TINY.latent_shape), torch.arange(1.0, 9.0)
    model.fit(latents, importance)
    tokens = model.to_tokens(latents)
    torch.testing.assert_close(tokens.square().mean(), torch.tensor(1.0))
    torch.testing.assert_close(tokens.square().mean((0, 1)), importance / importance.mean(), rtol=0.1, atol=0)
    torch.testing.assert_close(model.to_latents(tokens), latents)


@pytest.mark.parametrize("frames", [1, 2, 3, 8])
def test_recent_frames_are_newest_first(model: Dynamics, frames: int) -> None:
    latents, actions = play(7, frames)
    state = observe_all(model, latents, actions, [1])
    expected = [model.to_tokens(latents[max(0, frames - 1 - back), 0]) for back in range(TINY.recent)]
    torch.testing.assert_close(state.recent(torch.tensor([1]))[0], torch.stack(expected))


def test_an_untrained_model_repeats_the_frame() -> None:
    model = Dynamics(TINY).eval()
    latents, actions = play(8, 4)
    state = observe_all(model, latents, actions, [0])
    made = model.step(state, torch.tensor([0]), actions[0], torch.randn(2, 1, *model.noise_shape))
    torch.testing.assert_close(made, latents[-1])


def test_small_settings_of_an_axis_are_seen_enlarged() -> None:
    features = action_features(torch.tensor([[[0.1, -1.0]]]))
    torch.testing.assert_close(features, torch.tensor([[0.1, -1.0, 0.3799, -0.9993]]), atol=1e-4, rtol=0)


def test_actions_matter_and_noise_matters(model: Dynamics) -> None:
    latents, actions = play(6, 5)
    noise = torch.randn(2, 1, *model.noise_shape)

    def step(action: list[float], noise: torch.Tensor) -> torch.Tensor:
        return model.step(observe_all(model, latents, actions, [0]), torch.tensor([0]), torch.tensor([action]), noise)

    assert not torch.allclose(step([1.0, 0.0], noise), step([-1.0, 0.0], noise))
    assert not torch.allclose(step([1.0, 0.0], noise), step([1.0, 0.0], -noise))


def test_bad_input_is_refused(model: Dynamics) -> None:
    state = model.new_state(1)
    with pytest.raises(BadInputError, match="prime"):
        model.step(state, torch.tensor([0]), torch.zeros(1, 2), torch.zeros(1, 1, *model.noise_shape))
    with pytest.raises(BadInputError, match="latents must be"):
        model.observe(state, torch.tensor([0]), torch.zeros(1, 8, 2, 4), torch.zeros(1, 2))
    with pytest.raises(BadInputError, match="at least 1"):
        model.levels(0)
    with pytest.raises(BadInputError, match="'tokens' of shape"):
        state.write(0, {})
    with pytest.raises(BadInputError, match="times a multiple of 4"):
        DynamicsConfig(width=100, heads=6)
    with pytest.raises(BadInputError, match="at most memory"):
        DynamicsConfig(recent=9)
