"""A claim's verdict over all readings of what its paper leaves open (Steegen et al. 2016; Simonsohn et al. 2020).

A reading is one admissible way to fill in the settings that a paper does not state. Each gives a claim a verdict of its
own. The claim as a whole is settled only where every reading that can tell says the same; else what it says depends on
the settings that turn it.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sgpipe.base.errors import SgpipeError
from sgpipe.claims.judge import NOT_REPLICATED, REPLICATED, VERDICTS

DEPENDS = "depends on settings"
TELLING = (REPLICATED, NOT_REPLICATED)


class Whole(NamedTuple):
    """What a claim comes to over its readings."""

    verdict: str  # one of VERDICTS, or DEPENDS
    default: str  # the verdict of the default reading
    settings: tuple[str, ...]  # those that turn the verdict; () unless it depends
    telling: int  # readings that can tell, of
    readings: int

    @property
    def words(self) -> str:
        """The verdict in words, e.g. `depends on network.readout_start (by default not replicated)`."""
        words = f"depends on {', '.join(self.settings)}" if self.verdict == DEPENDS else self.verdict
        return words if self.verdict == self.default else f"{words} (by default {self.default})"


def whole(verdicts: Mapping[str, str], default: str, settings: Mapping[str, Collection[str]] | None = None) -> Whole:
    """Return the verdict on a claim over its readings.

    It is replicated, or not, where all readings that can tell say so; what is inconclusive or not testable in a reading
    says nothing against the others. Where no reading can tell, it has the default's verdict. Where two that can tell
    disagree, it depends on the settings of those against the default; if the default itself cannot tell, on the
    settings of all that can. Of readings that say the same, only those count that change no more than another does.

    Args:
        verdicts: the verdict in each reading, by its name.
        default: the name of the default reading.
        settings: for a reading, the settings in which it differs from the default; without it, its own name.

    Raises:
        SgpipeError: if the default is not among the readings, or a verdict is none.
    """
    if default not in verdicts:
        raise SgpipeError(f"readings: the default, {default!r}, is not one of {', '.join(verdicts) or 'none'}")
    for name, verdict in verdicts.items():
        if verdict not in VERDICTS:
            raise SgpipeError(f"readings: {name}: {verdict!r} is not one of {', '.join(VERDICTS)}")
    usual = verdicts[default]
    telling = {name: verdict for name, verdict in verdicts.items() if verdict in TELLING}
    found = set(telling.values())
    if len(found) < 2:
        return Whole(next(iter(found), usual), usual, (), len(telling), len(verdicts))
    changed = {name: frozenset((settings or {}).get(name, (name,))) for name in telling if name != default}
    turning: set[str] = set()
    for verdict in found - {usual}:
        sets = [changed[name] for name in changed if telling[name] == verdict]
        turning |= {one for own in sets if not any(other < own for other in sets) for one in own}
    return Whole(DEPENDS, usual, tuple(sorted(turning)), len(telling), len(verdicts))
