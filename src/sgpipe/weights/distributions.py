"""Initial weights by name: Glorot, He and orthogonal, each from a uniform, a normal or a BiGamma distribution.

An initialiser is a pure function (shape, generator) -> float64 array, with shape (units out, units in). Herranz-Celotti
& Rouat, sections 2.3 and 3.3; the variances are those of Glorot & Bengio 2010 and He et al. 2015, the orthogonal
matrices those of Saxe et al. 2014.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import gammaincinv, ndtr, ndtri

from sgpipe.base.errors import one_of
from sgpipe.spec.initialisers import INITIALISERS

BIGAMMA_SHAPE = 5.0  # the authors' code; the paper leaves the gamma distribution's two parameters open
TRUNCATION = 2.0  # where the normal is cut, in standard deviations of the uncut one, as in Keras
# Mass and standard deviation of what is left of a standard normal between the cuts.
_MASS = 1 - 2 * ndtr(-TRUNCATION)
_TRUNCATED_SD = sqrt(1 - 2 * TRUNCATION * np.exp(-(TRUNCATION**2) / 2) / sqrt(2 * np.pi) / _MASS)


def _open_uniform(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return values uniform in the open interval (0, 1): 0 and 1 would be infinite normal deviates."""
    return np.clip(generator.random(shape), 2.0**-54, 1 - 2.0**-53)


def _uniform(probability):
    return sqrt(3) * (2 * probability - 1)


def _truncated_normal(probability):
    return ndtri(ndtr(-TRUNCATION) + _MASS * probability) / _TRUNCATED_SD


def _bigamma(probability):
    # One half of the distribution is the gamma distribution, the other its mirror image; unit variance because the
    # second moment of a gamma distribution of rate 1 is shape (shape + 1).
    size = gammaincinv(BIGAMMA_SHAPE, np.abs(2 * probability - 1))
    return np.copysign(size, probability - 0.5) / sqrt(BIGAMMA_SHAPE * (BIGAMMA_SHAPE + 1))


@dataclass(frozen=True)
class Family:
    """A distribution of mean 0 and variance 1, symmetric about 0."""

    name: str
    quantile: Callable  # probability in (0, 1) -> value
    bound: float | None  # the largest possible value; None if there is none

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """Draw independent values, float64, of the given shape."""
        return self.quantile(_open_uniform(generator, shape))

    def reach(self, count: int) -> float:
        """Bound a value: by the largest possible one or, without one, by the value that 1 in `count` exceeds.

        Max and Min of Herranz-Celotti & Rouat (eqs. 34, 35) are infinite for an unbounded distribution; its
        1 - 1/count quantile, about the largest of the `count` weights of a matrix, takes their place.
        """
        return float(self.quantile(1 - 1 / max(count, 2))) if self.bound is None else self.bound


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("uniform", _uniform, sqrt(3)),
        Family("normal", ndtri, None),
        Family("truncated_normal", _truncated_normal, TRUNCATION / _TRUNCATED_SD),
        Family("bigamma", _bigamma, None),
    )
}


def family(name: str) -> Family:
    """Look up a family by name.

    Raises:
        SgpipeError: There is no such family; the message lists those that exist.
    """
    if name not in FAMILIES:
        raise one_of("distribution", name, FAMILIES)
    return FAMILIES[name]


def glorot_variance(shape: tuple[int, int]) -> float:
    """Compute 2 / (units in + units out) (Glorot & Bengio 2010)."""
    return 2 / (shape[0] + shape[1])


def he_variance(shape: tuple[int, int]) -> float:
    """Compute 2 / units in (He et al. 2015)."""
    return 2 / shape[1]


VARIANCES: dict[str, Callable[[tuple[int, int]], float]] = {"glorot": glorot_variance, "he": he_variance}


def scaled(name: str, variance: float, shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Draw a matrix of weights with mean 0 from a family.

    Args:
        name: The family.
        variance: The variance of the weights.
        shape: Units out, units in.
        generator: The random number generator.
    """
    return sqrt(variance) * family(name).draw(shape, generator)


def orthogonal(name: str, shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Draw a matrix with orthonormal rows or, where it is taller than wide, orthonormal columns (Saxe et al. 2014).

    It is Q of the QR decomposition of a matrix from the family, with R's diagonal made positive so that it is unique
    (and uniform over the orthogonal group for the normal family).

    Args:
        name: The family.
        shape: Units out, units in.
        generator: The random number generator.

    Returns:
        float64, with a mean square of 1 / max(shape), whatever the family.
    """
    tall = family(name).draw((max(shape), min(shape)), generator)
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return np.ascontiguousarray(q if shape[0] >= shape[1] else q.T)


def initial(name: str, shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Draw weights by a named initialiser.

    Args:
        name: One of INITIALISERS, such as `glorot_uniform` or `orthogonal_normal`.
        shape: Units out, units in.
        generator: The random number generator.

    Returns:
        float64 of that shape.

    Raises:
        SgpipeError: There is no initialiser of that name.
    """
    if name not in INITIALISERS:
        raise one_of("init", name, INITIALISERS)
    scheme, _, source = name.partition("_")
    if scheme == "orthogonal":
        return orthogonal(source, shape, generator)
    return scaled(source, VARIANCES[scheme](shape), shape, generator)


# Section 3.3: three schemes, three distributions.
NINE = tuple(name for name in INITIALISERS if not name.endswith("truncated_normal"))
# What the authors' figure shows, in its order: no orthogonal uniform, and a normal that is cut at two deviations.
AUTHORS_EIGHT = (
    "he_truncated_normal",
    "he_uniform",
    "he_bigamma",
    "glorot_truncated_normal",
    "glorot_uniform",
    "glorot_bigamma",
    "orthogonal_normal",
    "orthogonal_bigamma",
)
