"""Which executor plays."""

from __future__ import annotations

import pytest
import torch

from dreamcade.core.errors import BadInputError, MissingExtraError
from dreamcade.engine import Engine
from dreamcade.world import World


def test_without_openvino_pytorch_plays(tiny_world: World) -> None:
    """`_plain_networks` in conftest.py hides it from every test that is not marked."""
    engine = Engine(tiny_world, device="cpu", dtype=torch.bfloat16)
    assert engine.path == "PyTorch, bfloat16"
    assert engine.open_session().step([0, 0]).tick == 1


def test_what_is_asked_for_must_be_there(tiny_world: World) -> None:
    with pytest.raises(MissingExtraError, match="openvino"):
        Engine(tiny_world, device="cpu", kernels="openvino")
    with pytest.raises(BadInputError, match="unknown kernels 'fast'; use auto"):
        Engine(tiny_world, device="cpu", kernels="fast")


@pytest.mark.openvino
def test_on_this_processor_openvino_is_the_quickest(tiny_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert Engine(tiny_world, device="cpu").path.startswith("OpenVINO, ")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert Engine(tiny_world, device="cpu").path.startswith("PyTorch, ")


def test_a_world_has_no_triton_kernels(tiny_world: World) -> None:
    with pytest.raises(BadInputError, match="no operation of a world is a Triton kernel"):
        Engine(tiny_world, device="cpu", kernels="triton")


@pytest.mark.openvino
def test_an_error_without_words_is_named(
    tiny_world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A plugin that fails to compile is noticed when the engine is made, not at the first frame."""

    def fail(self: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("dreamcade.engine.executors.openvino.Graph.compile", fail)
    assert Engine(tiny_world, device="cpu").path.startswith("PyTorch, ")
    assert "NotImplementedError" in caplog.text
