from __future__ import annotations

from dreamcade.cluster.devices import parse_devices
from dreamcade.cluster.layout import Decoding
from dreamcade.cluster.planner import plan
from dreamcade.cluster.world_workload import world_workload
from dreamcade.world import World


def test_a_world_s_own_networks(tiny_world: World) -> None:
    config = tiny_world.dynamics.config
    work = world_workload(tiny_world)
    tokens, width = config.tokens, config.width
    attention = 4 * config.depth * tokens**2 * width
    linear = 2 * tokens * config.depth * 12 * width**2
    memory = 2 * tokens * 2 * width**2  # one memory layer's query and output
    assert work.head_flops == attention
    assert linear + memory < work.token_flops < 1.6 * (linear + memory)  # modulations and the ends on top
    assert work.weight_bytes == 2 * sum(p.numel() for p in tiny_world.dynamics.parameters())
    assert work.cache_bytes == 2 * 2 * config.memory * tokens * width
    assert work.latent_bytes == 2 * tokens * config.latent_channels
    assert (work.name, work.tick_rate, work.steps) == ("toy", 50.0, 2)
    assert (work.frame_width, work.frame_height, work.decoder_rows) == (48, 32, config.latent_height)
    assert work.decoder_flops > 0 and work.halo_exchanges > 0 and work.launches > 10


def test_other_steps(tiny_world: World) -> None:
    assert world_workload(tiny_world, 4).steps == 4
    assert world_workload(tiny_world, 4).token_flops == world_workload(tiny_world).token_flops


def test_it_can_be_planned_for(tiny_world: World) -> None:
    assert plan(world_workload(tiny_world), parse_devices("cpu-core:2"))[0].meets


def test_what_a_processor_compiles_whole_is_not_divided_among_cores(tiny_world: World) -> None:
    work, cores = world_workload(tiny_world), parse_devices("cpu-core:4")
    layouts = [found.layout for found in plan(work, cores)]
    assert {layout.split for layout in layouts} >= {"1", "1+1", "1+2", "1+3"}
    assert all(layout.dit_devices == 1 and layout.decoding == Decoding.ROUND_ROBIN for layout in layouts)
    assert any(found.layout.decoding == Decoding.SPATIAL for found in plan(work, cores, decoding="spatial"))
    on_gpus = plan(work, parse_devices("h200:4"))
    assert any(found.layout.dit_devices > 1 for found in on_gpus)
    assert any(found.layout.decoding == Decoding.SPATIAL for found in on_gpus)
