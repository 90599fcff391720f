"""How far apart two clouds of pictures are: the Fréchet distance between Gaussians fitted to their features.

The formula is that of the Fréchet inception distance (Heusel et al., NIPS 2017), the features are others: the figures
here are "Fréchet distance (EfficientNet-Lite0)", never FID. With hundreds of pictures instead of tens of thousands a
covariance of 1280 features is mostly chance, so features are first projected to the leading principal components of the
real ones, and what two halves of the real pictures differ by is always told beside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.errors import BadInputError

COMPONENTS = 32
"""Principal components that are compared."""
FEWEST = 2 * COMPONENTS
"""Pictures that a cloud needs."""


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """|m1 − m2|² + tr(C1 + C2 − 2·(C1·C2)^½) of feature clouds `[N, D]` and `[M, D]`; 0 where both are the same."""
    a, b = (np.asarray(x, np.float64) for x in (first, second))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise BadInputError(f"two clouds of features [N, D] are compared; got {list(a.shape)} and {list(b.shape)}")
    covariances = np.cov(a, rowvar=False).reshape(a.shape[1], -1), np.cov(b, rowvar=False).reshape(b.shape[1], -1)
    # tr((C1·C2)^½) is the sum of the roots of the eigenvalues of the symmetric C1^½·C2·C1^½.
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    mixed = np.linalg.eigvalsh(root @ covariances[1] @ root)
    means = float(np.square(a.mean(0) - b.mean(0)).sum())
    return means + float(np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.sqrt(mixed.clip(0)).sum())


@dataclass(frozen=True, slots=True)
class Ruler:
    """Principal components of real features: `centre` `[D]` and `axes` `[D, COMPONENTS]`, scaled so that all real
    features together have variance 1. So distances do not depend on how large a network's features happen to be."""

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def fit(cls, real: NDArray[np.floating]) -> Ruler:
        """From real features `[N, D]`. Raises `BadInputError` for fewer than `FEWEST`."""
        if len(real) < FEWEST:
            raise BadInputError(f"a Fréchet distance needs at least {FEWEST} pictures; got {len(real)}")
        centred = np.asarray(real, np.float64) - real.mean(0)
        _, spreads, directions = np.linalg.svd(centred, full_matrices=False)
        variance = np.square(spreads[:COMPONENTS]).sum() / len(real)
        return cls(real.mean(0, dtype=np.float64), directions[:COMPONENTS].T / np.sqrt(max(variance, 1e-12)))

    def distance(self, first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
        """The Fréchet distance of two clouds `[N, D]`; 0: the same, 1: as far apart as all real pictures are spread."""
        return frechet_distance((first - self.centre) @ self.axes, (second - self.centre) @ self.axes)
