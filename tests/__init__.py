"""Tests of sgpipe, in the rooms of the package."""

import os

# As in a job of one core: on the tests' small arrays a second thread spends fifty times as long waiting as it computes.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
