"""`dreamcade play`: a local server and the page, in one command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dreamcade.cli.browser import open_browser
from dreamcade.cli.options import Device, Devices, KernelPath, PlanOption, Steps, spread_options
from dreamcade.core.errors import BadInputError

if TYPE_CHECKING:
    from dreamcade.server.stage import Stage


def play(
    world: Annotated[str | None, typer.Argument(help="A shipped world or a folder; none: all shipped worlds.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes any free one.")] = 8710,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets your network play.")] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")] = False,
    device: Device = "auto",
    steps: Steps = None,
    kernels: KernelPath = "auto",
    devices: Devices = None,
    plan: PlanOption = None,
    players: Annotated[int, typer.Option(min=1, help="How many may play at once.")] = 4,
    pipeline: Annotated[
        bool, typer.Option(help="Draw a frame while the next is dreamed, or one after the other.")
    ] = True,
) -> None:
    """Play a world in the browser.

    Example: dreamcade play racing --port 8800
    """
    # Imported here: `dreamcade --help` needs neither a web server nor PyTorch.
    from dreamcade.kernels.names import Kernels
    from dreamcade.server.app import Limits
    from dreamcade.server.arcade import Arcade, load_stage
    from dreamcade.server.listen import address_of, bind, network_address, serve

    Kernels.named(kernels)
    if device not in ("auto", "cpu"):  # these are always there, and to look for others takes PyTorch
        from dreamcade.core.device import resolve_device

        resolve_device(device)
    spread, layout = spread_options(device, devices, plan) if devices or plan else (None, None)
    names = _worlds_to_play(world)

    def load(name: str) -> Stage:
        stage = load_stage(name, device, steps, pipeline, kernels, spread, layout)
        typer.echo(f"{stage.world.manifest.title} is played by {stage.path}")
        return stage

    arcade = Arcade(lambda: names, load)
    with bind(host, port) as listener:
        bound_port = listener.getsockname()[1]
        address = address_of(host, bound_port)
        typer.echo(f"Dreamcade is at {address}   (Ctrl-C ends it)")
        if outside := network_address(host, bound_port):
            typer.echo(f"and for other machines at {outside}")
        if not no_browser:
            open_browser(address)
        serve(arcade, listener, host, Limits(max_sessions=players))


def _worlds_to_play(world: str | None) -> list[str]:
    """What to load; raises right away for a name that does not exist or a folder that is no world."""
    from dreamcade.world.manifest import read_manifest
    from dreamcade.world.shipped import locate, shipped_worlds

    if world is not None:
        folder = locate(world)
        read_manifest(folder)
        return [str(folder)]
    if not shipped_worlds():
        raise BadInputError("no world is shipped with this build; name a folder: dreamcade play FOLDER")
    return shipped_worlds()
