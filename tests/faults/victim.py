"""A process that trains a pack into a store, to be struck: `python -m tests.faults.victim STORE [BATCHES]`.

It saves states all the time, as if minutes went by, and writes the table of its pack beside the store when it has trained
all. With a number of batches it holds still after so many of them, for a signal to come at a known place.
"""

import signal
import sys

if __name__ == "__main__":
    # While libraries load, an interrupt simply ends the process: some turn it into errors of their own, as numpy does.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from itertools import count
from pathlib import Path
from time import sleep

from sgpipe.base.errors import SgpipeError
from sgpipe.data import prepare
from sgpipe.engines.cpu.engine import CpuEngine, built
from sgpipe.engines.interface import Engine
from sgpipe.results.store import Store
from sgpipe.results.tables import runs_table, write_table
from sgpipe.spec.run import RunSpec
from sgpipe.training import trainer
from sgpipe.training.pack import Workshop, train_pack
from sgpipe.training.stopping import stop_signals
from tests.conftest import TINY

EPOCHS = 60 if built() else 10
SPECS = [RunSpec.make({**TINY, "training.epochs": EPOCHS, "surrogate.beta": beta}) for beta in (1, 5, 20, 50)]


def _engine() -> Engine:
    if built():
        return CpuEngine()
    from sgpipe.engines.reference import ReferenceEngine  # and torch, which takes longer to load than this to train

    return ReferenceEngine()


def main(folder: Path, still_after: int | None) -> int:
    """Train; return the exit code."""
    trainer.CHECKPOINT_SECONDS = 0.05
    engine, calls = _engine(), count()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in every process of Python's
    try:
        with stop_signals() as request:

            def stop() -> None:
                request.check()
                if next(calls) == still_after:
                    (folder / "still").touch()
                    while request.signal is None:
                        sleep(0.01)

            workshop = Workshop(Store(folder), lambda spec: engine, 1 if still_after else 2, stop=stop)
            results = train_pack(SPECS, prepare(SPECS[0]), workshop)
        write_table(runs_table(results), folder / "table.parquet")
    except SgpipeError as error:
        print(f"sgpipe: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
