"""The GPU engine: packs of runs of one network shape, side by side on one device.

The weights of all runs are stacked, and each step of training is one launch for all of them. The kernels are in Triton
or, where Triton is missing, the same mathematics in plain torch with a Python loop over time. Both are tested on the
CPU, Triton in its interpreter. They have never yet run on a GPU.

`engine` opens a `session`, which trains one `pack` or several. A pack calls its `kernels` (`torch_kernels` or
`triton_kernels`) with the `knobs` of its runs and the `events` of a split, and updates its weights by `adam`.
"""

from sgpipe.engines.gpu.engine import GpuEngine, triton_runs_on

__all__ = ["GpuEngine", "triton_runs_on"]
