"""`dreamcade play`: what it says before anything is served."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dreamcade.cli.play import play
from dreamcade.core.errors import BadInputError, UnknownNameError, WorldError
from dreamcade.server.listen import bind
from dreamcade.world import World


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(play)
    return app


def error_of(app: typer.Typer, *arguments: str) -> BaseException | None:
    return CliRunner().invoke(app, [*arguments, "--no-browser"]).exception


def test_help_shows_an_example(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "dreamcade play racing" in result.output


def test_an_unknown_world_is_refused_before_anything_is_served(app: typer.Typer) -> None:
    assert isinstance(error_of(app, "no-such-world-anywhere"), UnknownNameError)
    assert isinstance(error_of(app, "./no/such/folder"), WorldError)


def test_a_folder_that_is_no_world_is_refused(app: typer.Typer, tmp_path: Path) -> None:
    error = error_of(app, str(tmp_path), "--port", "0")
    assert isinstance(error, WorldError)
    assert "world.json" in str(error)


def test_a_taken_port_is_refused_with_another_one(app: typer.Typer, tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    with bind("127.0.0.1", 0) as taken:
        taken.settimeout(0)
        error = error_of(app, str(tmp_path / "toy"), "--port", str(taken.getsockname()[1]))
    assert isinstance(error, BadInputError)
    assert "try --port" in str(error)


@pytest.mark.parametrize("option", [("--port", "70000"), ("--players", "0"), ("--steps", "0")])
def test_numbers_out_of_range_are_refused(app: typer.Typer, option: tuple[str, str]) -> None:
    assert CliRunner().invoke(app, list(option)).exit_code == 2


def test_unknown_kernels_are_refused(app: typer.Typer, tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    error = error_of(app, str(tmp_path / "toy"), "--kernels", "fast")
    assert isinstance(error, BadInputError)
    assert "use auto, reference" in str(error)


@pytest.mark.parametrize("device", ["toaster", "cuda:99"])
def test_a_device_that_is_not_here_is_refused_before_anything_is_served(
    app: typer.Typer, tiny_world: World, tmp_path: Path, device: str
) -> None:
    tiny_world.save(tmp_path / "toy")
    result = CliRunner().invoke(app, [str(tmp_path / "toy"), "--no-browser", "--port", "0", "--device", device])
    assert isinstance(result.exception, BadInputError)
    assert device in str(result.exception)
    assert "Dreamcade is at" not in result.output
