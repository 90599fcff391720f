"""A world: codec, dynamics, controls and starts, as one object and as one folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from dreamcade.codec import Codec, CodecConfig
from dreamcade.core.config import JsonConfig
from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError, UnknownNameError, WorldError
from dreamcade.core.files import atomic_folder, write_json
from dreamcade.dynamics import (
    ActionPredictor,
    Dynamics,
    DynamicsConfig,
    ExtrapolationConfig,
    Extrapolator,
    PredictorConfig,
)
from dreamcade.kernels.packed_layers import PackedLayer
from dreamcade.world.aside import aside
from dreamcade.world.bundle import check_files, file_hash, half_precision, load_weights, write_tensors
from dreamcade.world.card import model_card
from dreamcade.world.manifest import (
    BUNDLE_FILES,
    CARD_FILE,
    CLIP_FILE,
    CODEC_FILE,
    DYNAMICS_FILE,
    EXTRAPOLATION_FILE,
    HASHED_FILES,
    MANIFEST_FILE,
    OPTIONAL_FILES,
    PREDICTOR_FILE,
    STARTS_FILE,
    WorldManifest,
    read_manifest,
)
from dreamcade.world.shipped import locate
from dreamcade.world.starts import Start, read_starts, write_starts

ModuleT = TypeVar("ModuleT", bound=nn.Module)
ConfigT = TypeVar("ConfigT", bound=JsonConfig)


@dataclass(eq=False)
class World:
    """A playable world in float32 on the CPU; the engine makes its own copy in its own format."""

    manifest: WorldManifest
    codec: Codec
    dynamics: Dynamics
    starts: tuple[Start, ...]
    folder: Path | None = None
    """Where it was loaded from or saved to."""
    clip: bytes | None = None
    """An animated WebP of the real game beside the dream."""
    predictor: ActionPredictor | None = None
    extrapolator: Extrapolator | None = None

    @classmethod
    def assemble(
        cls,
        codec: Codec,
        dynamics: Dynamics,
        starts: Sequence[Start],
        *,
        name: str,
        title: str,
        description: str,
        licence: str,
        game: str,
        controls: Controls,
        tick_rate: float,
        card: Mapping[str, Any] | None = None,
        sampling_steps: int | None = None,
        clip: bytes | None = None,
    ) -> World:
        """A world from its trained parts; raises `WorldError` when they do not fit together.

        `sampling_steps` defaults to the dynamics' own number.
        """
        manifest = WorldManifest(
            name=name,
            title=title,
            description=description,
            licence=licence,
            game=game,
            controls=controls,
            frame_size=(codec.config.frame_width, codec.config.frame_height),
            tick_rate=tick_rate,
            sampling_steps=sampling_steps or len(dynamics.config.sampling_levels),
            codec=codec.config.to_json(),
            dynamics=dynamics.config.to_json(),
            card=dict(card or {}),
        )
        _check_fit(manifest, codec.config, dynamics.config)
        return cls(manifest, codec.eval(), dynamics.eval(), tuple(starts), clip=clip)

    @classmethod
    def load(cls, name: str | Path) -> World:
        """A shipped name, a folder, or a hub id (`hf://owner/name`).

        Raises `UnknownNameError` with the nearest name, or `WorldError` (missing file, damaged or misfitting weights,
        newer format) that says what to do.
        """
        return aside(lambda: cls._load(locate(name)))

    @classmethod
    def _load(cls, folder: Path) -> World:
        manifest = read_manifest(folder)
        if set(manifest.files) - set(OPTIONAL_FILES) != set(HASHED_FILES):
            raise WorldError(f"{folder / MANIFEST_FILE} must hash {', '.join(HASHED_FILES)}; get the world again")
        check_files(folder, manifest.files)
        codec_config, dynamics_config = _read_configs(folder, manifest)
        codec, dynamics = Codec(codec_config), Dynamics(dynamics_config)
        load_weights(codec, folder / CODEC_FILE)
        load_weights(dynamics, folder / DYNAMICS_FILE)
        starts = read_starts(folder / STARTS_FILE, dynamics_config.latent_shape, dynamics_config.action_size)
        clip = (folder / CLIP_FILE).read_bytes() if CLIP_FILE in manifest.files else None
        predictor, extrapolator = _read_predictor(folder, manifest), _read_extrapolator(folder, manifest)
        return cls(manifest, _frozen(codec), _frozen(dynamics), starts, folder, clip, predictor, extrapolator)

    def with_predictor(self, predictor: ActionPredictor) -> World:
        """This world with another predictor; raises `WorldError` when it does not fit the controls."""
        manifest = dataclasses.replace(self.manifest, predictor=predictor.config.to_json())
        _check_predictor(manifest, predictor.config)
        return dataclasses.replace(self, manifest=manifest, predictor=predictor.eval())

    def with_extrapolator(self, extrapolator: Extrapolator) -> World:
        """This world with another calibration; raises `WorldError` when it does not fit the latents."""
        got, expected = extrapolator.low.shape, self.dynamics.noise_shape
        if got != expected:
            raise WorldError(
                f"the extrapolator is for latents of {list(got)} tokens and channels and the world's are "
                f"{list(expected)}; calibrate this world: dreamcade calibrate WORLD --data DATA --out DIR"
            )
        manifest = dataclasses.replace(self.manifest, extrapolation=extrapolator.config.to_json())
        return dataclasses.replace(self, manifest=manifest, extrapolator=extrapolator.eval())

    def save(self, folder: str | Path, half: bool = True) -> World:
        """Writes the bundle, whole or not at all, and returns the world as saved (with hashes and folder).

        `half` stores weights as float16. A folder that holds anything but a bundle is left alone: `BadInputError`.
        """
        folder = Path(folder)
        check_target(folder)
        if any(isinstance(m, PackedLayer) for part in (self.codec, self.dynamics) for m in part.modules()):
            raise BadInputError("a world in few bits is made to be played; save the one that it was made of")
        with atomic_folder(folder) as temporary:
            for file, module in self._modules().items():
                tensors = module.state_dict()
                write_tensors(temporary / file, half_precision(tensors) if half else tensors)
            write_starts(temporary / STARTS_FILE, self.starts)
            if self.clip is not None:
                (temporary / CLIP_FILE).write_bytes(self.clip)
            (temporary / CARD_FILE).write_text(model_card(self.manifest, self.clip is not None), encoding="utf-8")
            files = {path.name: file_hash(path) for path in sorted(temporary.iterdir())}
            manifest = dataclasses.replace(self.manifest, files=files)
            write_json(temporary / MANIFEST_FILE, manifest.to_json())
        return dataclasses.replace(self, manifest=manifest, folder=folder)

    def _modules(self) -> dict[str, nn.Module]:
        """What a bundle holds weights of, by file."""
        modules: dict[str, nn.Module] = {CODEC_FILE: self.codec, DYNAMICS_FILE: self.dynamics}
        if self.predictor is not None:
            modules[PREDICTOR_FILE] = self.predictor
        if self.extrapolator is not None:
            modules[EXTRAPOLATION_FILE] = self.extrapolator
        return modules

    @property
    def controls(self) -> Controls:
        return self.manifest.controls

    @property
    def frame_size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.manifest.frame_size

    @property
    def tick_rate(self) -> float:
        """Ticks per second."""
        return self.manifest.tick_rate

    @cached_property
    def identity(self) -> str:
        """A hash of the weights as they play: worlds of equal identity continue each other's snapshots."""
        configs = {"codec": self.codec.config.to_json(), "dynamics": self.dynamics.config.to_json()}
        digest = hashlib.sha256(json.dumps(configs, sort_keys=True).encode())
        for module in (self.codec, self.dynamics):
            for name, tensor in sorted(module.state_dict().items()):
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def start(self, name: str | int | None = None) -> Start:
        """A start by name or number (none: the first). Raises `UnknownNameError` or `BadInputError`."""
        if not self.starts:
            raise BadInputError(f"world {self.manifest.name!r} has no starts; open the session with frames= or image=")
        if isinstance(name, str):
            found = next((s for s in self.starts if s.name == name), None)
            if found is None:
                raise UnknownNameError("start", name, [s.name for s in self.starts])
            return found
        index = name or 0
        if not 0 <= index < len(self.starts):
            raise BadInputError(f"start must be a name or 0…{len(self.starts) - 1}; got {index}")
        return self.starts[index]


def _read_configs(folder: Path, manifest: WorldManifest) -> tuple[CodecConfig, DynamicsConfig]:
    try:
        codec, dynamics = CodecConfig.from_json(manifest.codec), DynamicsConfig.from_json(manifest.dynamics)
        _check_fit(manifest, codec, dynamics)
    except (BadInputError, WorldError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise WorldError(f"{folder / MANIFEST_FILE}: {error}; upgrade dreamcade or get the world again") from error
    return codec, dynamics


def _check_fit(manifest: WorldManifest, codec: CodecConfig, dynamics: DynamicsConfig) -> None:
    pairs = {
        "frame size": (manifest.frame_size, (codec.frame_width, codec.frame_height)),
        "latent shape": (codec.latent_shape, dynamics.latent_shape),
        "action size": (manifest.controls.size, dynamics.action_size),
    }
    for what, (expected, got) in pairs.items():
        if expected != got:
            raise WorldError(f"the parts do not fit together: {what} is {expected} in one and {got} in the other")


def _read_predictor(folder: Path, manifest: WorldManifest) -> ActionPredictor | None:
    if not _is_there(folder, manifest, PREDICTOR_FILE, manifest.predictor):
        return None
    config = _read_config(folder, PredictorConfig, manifest.predictor)
    _check_predictor(manifest, config)
    predictor = ActionPredictor(config)
    load_weights(predictor, folder / PREDICTOR_FILE)
    return _frozen(predictor)


def _read_extrapolator(folder: Path, manifest: WorldManifest) -> Extrapolator | None:
    if not _is_there(folder, manifest, EXTRAPOLATION_FILE, manifest.extrapolation):
        return None
    config = _read_config(folder, ExtrapolationConfig, manifest.extrapolation)
    dynamics = DynamicsConfig.from_json(manifest.dynamics)
    extrapolator = Extrapolator(config, dynamics)
    try:
        load_weights(extrapolator, folder / EXTRAPOLATION_FILE)
    except WorldError as error:
        raise WorldError(f"{error}, or calibrate it: dreamcade calibrate WORLD --data DATA --out DIR") from error
    return _frozen(extrapolator)


def _is_there(folder: Path, manifest: WorldManifest, file: str, config: Mapping[str, Any]) -> bool:
    if bool(config) != (file in manifest.files):
        raise WorldError(f"{folder / MANIFEST_FILE} must tell of {file} and hash it, or neither; get the world again")
    return bool(config)


def _read_config(folder: Path, kind: type[ConfigT], data: Mapping[str, Any]) -> ConfigT:
    try:
        return kind.from_json(data)
    except (BadInputError, TypeError, ValueError) as error:
        raise WorldError(f"{folder / MANIFEST_FILE}: {error}; upgrade dreamcade or get the world again") from error


def _check_predictor(manifest: WorldManifest, config: PredictorConfig) -> None:
    if len(config.levels) != manifest.controls.size:
        raise WorldError(
            f"the predictor is for {len(config.levels)} controls and the world has {manifest.controls.size}; "
            "train it from recordings of this world's game"
        )


def check_target(folder: Path) -> None:
    """Raises `BadInputError` where a world cannot be saved: a file, or a folder that holds other things."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BadInputError(f"{folder} is a file; name a folder for the world")
    others = sorted(p.name for p in folder.iterdir() if p.name not in BUNDLE_FILES)
    if others:
        raise BadInputError(f"{folder} holds other things ({', '.join(others[:3])}); name a new folder or a world")


def _frozen(module: ModuleT) -> ModuleT:
    return module.eval().requires_grad_(False)
