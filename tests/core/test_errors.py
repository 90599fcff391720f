"""Errors cross process boundaries as they are."""

import pickle

import pytest

from dreamcade.core.device import resolve_device
from dreamcade.core.errors import BadInputError, DreamcadeError, MissingExtraError, UnknownNameError


@pytest.mark.parametrize(
    "error", [UnknownNameError("world", "racin", ["racing", "doom"]), MissingExtraError("x", "games")]
)
def test_pickled_errors_say_the_same(error: DreamcadeError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)


@pytest.mark.parametrize("name", ["mps", "meta", "gpu", "cuda:99"])
def test_devices_that_are_not_here_or_not_supported(name: str) -> None:
    with pytest.raises(BadInputError, match=f"'{name}'"):
        resolve_device(name)
