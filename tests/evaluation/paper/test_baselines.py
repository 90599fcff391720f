"""What the fused engine is compared with computes the same."""

from __future__ import annotations

import pytest
import torch

from dreamcade.evaluation.paper import baselines
from dreamcade.evaluation.paper.models import ConvolutionalDrawing, build_dynamics, plain_decoder
from dreamcade.evaluation.paper.presets import ATTENTIONS, paper_preset
from dreamcade.evaluation.paper.stages import fill_memory, one_pass
from dreamcade.kernels.choice import fuses, using
from dreamcade.kernels.names import Kernels

CPU = torch.device("cpu")
TOY = paper_preset("paper-racing", 15)


@torch.no_grad()
def test_the_peer_draws_what_our_decoder_draws() -> None:
    pytest.importorskip("diffusers")
    plain = plain_decoder(TOY, CPU)
    before = [p.clone() for p in plain.parameters()]
    name, peer = baselines.peer_of(plain, CPU)
    assert name == "diffusers" and not all(map(torch.equal, before, plain.parameters()))
    latents = torch.randn(1, *TOY.latent_shape)
    expected = peer.float()(latents)
    ours = ConvolutionalDrawing.fused(plain).decode(latents)
    assert (ours - expected).norm() < 0.02 * expected.norm()  # bfloat16 against float32


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_compiled_blocks_are_whole_and_shared(attention: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`fullgraph` fails where a block breaks apart; a backend that changes nothing spares the compiler."""
    graphs = []

    def backend(graph: torch.fx.GraphModule, examples: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module, **options: compile_(module, backend=backend, **options))
    torch._dynamo.reset()
    model = build_dynamics(TOY, CPU, attention)
    state = model.new_state(1)
    fill_memory(model, state)
    torch.manual_seed(0)
    expected = one_pass(model, state)()
    torch.manual_seed(0)
    with using("reference"), torch.inference_mode():
        made = one_pass(baselines.with_compiled_blocks(model), state)()
    assert torch.equal(made, expected) and len(graphs) == 1  # type: ignore[arg-type]


def test_the_compiler_keeps_the_choice_of_kernels_of_when_it_traced() -> None:
    torch._dynamo.reset()
    asked = torch.compile(lambda x: x + 1 if fuses(x) else x - 1, backend="eager", fullgraph=True)
    with using(Kernels.REFERENCE):
        assert asked(torch.zeros(1)) == -1


def test_a_side_that_cannot_be_built_is_told() -> None:
    def fails() -> baselines.Work:
        raise RuntimeError("no compiler\nand much more")

    built, failed = baselines.build_sides({"good": lambda: lambda: 1, "bad": fails})
    assert list(built) == ["good"] and failed == {"bad": "RuntimeError: no compiler"}
