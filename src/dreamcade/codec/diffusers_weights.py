"""Weights of a decoder that `diffusers.AutoencoderKL` has trained or published."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from dreamcade.codec.convolutional import ConvolutionalDecoder
from dreamcade.core.errors import BadInputError

RENAMED = (
    (r"^conv_in\.", "enter."),
    (r"^mid_block\.resnets\.0\.", "middle.first."),
    (r"^mid_block\.resnets\.1\.", "middle.second."),
    (r"^mid_block\.attentions\.0\.group_norm\.", "middle.attention.norm."),
    (r"^mid_block\.attentions\.0\.to_q\.", "middle.attention.query."),
    (r"^mid_block\.attentions\.0\.to_k\.", "middle.attention.key."),
    (r"^mid_block\.attentions\.0\.to_v\.", "middle.attention.value."),
    (r"^mid_block\.attentions\.0\.to_out\.0\.", "middle.attention.leave."),
    (r"^up_blocks\.(\d+)\.resnets\.(\d+)\.conv_shortcut\.", r"levels.\1.resnets.\2.shortcut."),
    (r"^up_blocks\.(\d+)\.resnets\.(\d+)\.", r"levels.\1.resnets.\2."),
    (r"^up_blocks\.(\d+)\.upsamplers\.0\.conv\.", r"levels.\1.enlarge."),
    (r"^conv_norm_out\.", "leave.norm."),
    (r"^conv_out\.", "leave.conv."),
)
PREFIX = "decoder."


def load_diffusers(decoder: ConvolutionalDecoder, state: Mapping[str, Tensor]) -> None:
    """Copies the weights of a diffusers decoder, or of a whole `AutoencoderKL`, whose encoder is left alone.

    Raises `BadInputError` where a weight is missing, has another shape or does not belong, or where a convolution
    stands between latents and decoder (`post_quant_conv`, of models with 4 latent channels): fold it in first.
    """
    if any(name.startswith("post_quant_conv.") for name in state):
        raise BadInputError("these weights have a post_quant_conv, which this decoder does not; got a 4-channel model?")
    whole = any(name.startswith(PREFIX) for name in state)
    ours = {_renamed(name.removeprefix(PREFIX)): w for name, w in state.items() if not whole or name.startswith(PREFIX)}
    expected = decoder.state_dict()
    if missing := sorted(set(expected) - set(ours)):
        raise BadInputError(f"{len(missing)} weights are missing, the first is {missing[0]}")
    if strange := sorted(set(ours) - set(expected)):
        raise BadInputError(f"{len(strange)} weights do not belong to this decoder, the first is {strange[0]}")
    for name, weight in ours.items():
        if weight.numel() != expected[name].numel() or weight.shape[:2] != expected[name].shape[:2]:
            raise BadInputError(f"{name} must be {list(expected[name].shape)}; got {list(weight.shape)}")
    # Their attention is of linear layers [out, in], ours of 1×1 convolutions [out, in, 1, 1].
    decoder.load_state_dict({name: weight.reshape(expected[name].shape) for name, weight in ours.items()})


def _renamed(name: str) -> str:
    for pattern, replacement in RENAMED:
        ours, found = re.subn(pattern, replacement, name)
        if found:
            return ours
    return name
