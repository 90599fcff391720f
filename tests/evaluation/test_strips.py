from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.strips import contact_sheet, save_picture


def test_sheet_holds_every_picture(tmp_path: Path) -> None:
    red, blue = np.full((20, 30, 3), (255, 0, 0), np.uint8), np.full((20, 30, 3), (0, 0, 255), np.uint8)
    sheet = contact_sheet([[red, red, red], [blue, blue, blue]], ["1", "4", "16"], ["real", "dream"], width=60)
    pixels = np.asarray(sheet)
    assert (pixels == (255, 0, 0)).all(2).sum() == (pixels == (0, 0, 255)).all(2).sum() == 3 * 60 * 40
    save_picture(sheet, tmp_path / "deep" / "strip.png")
    with Image.open(tmp_path / "deep" / "strip.png") as saved:
        assert saved.size == sheet.size


def test_names_must_fit() -> None:
    with pytest.raises(BadInputError, match="a name per row"):
        contact_sheet([[np.zeros((4, 4, 3), np.uint8)]], ["a", "b"], ["real"])
