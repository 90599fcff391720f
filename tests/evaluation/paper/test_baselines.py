"""What the fused engine is compared with computes the same."""

from __future__ import annotations

import pytest
import torch

from dreamcade.codec.fused_convolutional import FusedDecoder
from dreamcade.evaluation.paper import baselines
from dreamcade.evaluation.paper.models import build_dynamics, plain_decoder
from dreamcade.evaluation.paper.presets import ATTENTIONS, paper_preset
from dreamcade.evaluation.paper.stages import fill_memory, one_pass
from dreamcade.kernels.choice import using

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
    torch.testing.assert_close(FusedDecoder(plain.float())(latents), peer.float()(latents), rtol=1e-4, atol=1e-5)


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


def test_a_side_that_cannot_be_built_is_told() -> None:
    def fails() -> baselines.Work:
        raise RuntimeError("no compiler\nand much more")

    built, failed = baselines.build_sides({"good": lambda: lambda: 1, "bad": fails})
    assert list(built) == ["good"] and failed == {"bad": "RuntimeError: no compiler"}
