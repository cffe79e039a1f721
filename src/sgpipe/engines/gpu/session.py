"""A session of the GPU engine: one or several packs, in the order of the runs it was opened with."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import torch

from sgpipe.engines.gpu.pack import Pack
from sgpipe.engines.interface import Measures, Pause, Weights, go_on


class GpuSession:
    """Runs in packs that train one after another; a pack that overflows the memory is halved and tried again.

    What a run computes does not depend on its pack, so halving changes no result. A session never stops within an
    epoch: a pack updates without waiting for the device, and so calls no `pause`.
    """

    def __init__(self, packs: Sequence[tuple[list[int], Pack]], device: str):
        self.packs, self.device = list(packs), device
        self.runs = sum(len(places) for places, _ in packs)

    def train_epoch(self, orders: Sequence[np.ndarray], pause: Pause = go_on) -> list[Measures]:
        return self._in_turn(lambda places, pack: pack.train_epoch([orders[place] for place in places]))

    def evaluate(self, split: str, pause: Pause = go_on) -> list[Measures]:
        return self._in_turn(lambda places, pack: pack.evaluate(split))

    def states(self) -> list[Weights]:
        return self._in_turn(lambda places, pack: pack.states())

    def load(self, states: Sequence[Weights]) -> None:
        for places, pack in self.packs:
            pack.load([states[place] for place in places])

    def _in_turn(self, do: Callable[[list[int], Pack], list]) -> list:
        """Return what `do` returns for each run, in the order of the runs."""
        results, waiting, self.packs = [None] * self.runs, self.packs, []
        with torch.cuda.device(self.device) if self.device.startswith("cuda") else nullcontext():
            while waiting:
                places, pack = waiting.pop(0)
                found = _unless_full(do, places, pack)
                if found is None:
                    waiting[:0] = _halves(places, pack)
                    continue
                self.packs.append((places, pack))
                for place, one in zip(places, found, strict=True):
                    results[place] = one
        return results


def _unless_full(do: Callable[[list[int], Pack], list], places: list[int], pack: Pack) -> list | None:
    """Return what `do` returns; None if memory ran out and the pack can be halved."""
    try:
        return do(places, pack)
    except torch.cuda.OutOfMemoryError:
        if len(places) == 1:
            raise
    # Outside the handler: the error keeps alive everything that was in memory when it was raised.
    torch.cuda.empty_cache()
    return None


def _halves(places: list[int], pack: Pack) -> list[tuple[list[int], Pack]]:
    middle = len(places) // 2
    return [(places[half], pack.part(half)) for half in (slice(middle), slice(middle, None))]
