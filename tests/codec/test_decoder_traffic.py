"""The whole decoder's bytes."""

from __future__ import annotations

from dreamcade.codec.convolutional import ConvolutionalDecoderConfig
from dreamcade.codec.decoder_traffic import decoder_traffic


def test_every_part_moves_less_fused() -> None:
    parts = {part.name: part for part in decoder_traffic(ConvolutionalDecoderConfig(), 60, 90)}
    assert list(parts) == ["enter", "middle", "level 0", "level 1", "level 2", "level 3", "leave"]
    transactions = {name: (part.unfused.transactions, part.fused.transactions) for name, part in parts.items()}
    # Three resnets: each two norms, two SiLUs, two convolutions and a sum (15 → 5), and the way up (4 → 2).
    assert transactions["level 0"] == transactions["level 1"] == (3 * 15 + 4, 3 * 5 + 2)
    assert transactions["level 2"] == (3 * 15 + 4 + 2, 3 * 5 + 2 + 2)  # and a shortcut
    assert transactions["leave"] == (6, 2)
    before, after = (sum(getattr(part, side).bytes for part in parts.values()) for side in ("unfused", "fused"))
    assert after < 0.37 * before
    assert all(part.fused.scratch < 16e6 for part in parts.values())
    heavy = [part for part in parts.values() if part.unfused.bytes > 0.01 * before]
    assert len(heavy) == 6 and all(part.fused.bytes < 0.5 * part.unfused.bytes for part in heavy)
