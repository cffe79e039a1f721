"""The Triton kernels compile for GPUs that are not there, down to machine code, as a launch would compile them.

The compilation runs in a process of its own: a process either interprets kernels or compiles them.
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

TARGETS = ((80, "float32"), (90, "float32"), (90, "float64"))  # compute capability: A100; H100 and H200
LAYERS = {
    "two layers": {"network.hidden": [100, 40]},
    "recurrent": {"network.hidden": [256], "network.recurrent": True},
    "widest recurrent": {"network.hidden": [512], "network.recurrent": True},
    "one unit, one sample": {"network.hidden": [1], "network.recurrent": True},
    "time constants of single neurons": {"network.hidden": [100], "network.tau_membrane_shape": 3},
    "trained ones, input dropped": {
        "network.hidden": [256],
        "network.recurrent": True,
        "network.trained_neurons": True,
        "network.input_dropout": 0.1,
    },
}

KERNELS = {
    *("event_drive", "event_gradient", "product", "weight_gradient", "fold"),
    *("forward_scan", "backward_scan", "score", "regularise"),
}

pytestmark = pytest.mark.long
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


@needs_triton
@pytest.mark.parametrize(("architecture", "precision"), TARGETS)
def test_kernels_compile_for_a_gpu_that_is_not_there(architecture, precision):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, __file__, str(architecture), precision]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.split(":")[0] for line in done.stdout.splitlines()} == KERNELS
    assert "tf32" not in done.stdout


def compile_kernels(architecture: int, precision: str) -> None:
    """Compile what minibatches of several networks launch, and print what each kernel takes of the machine."""
    import torch
    import triton
    from triton.backends.compiler import GPUTarget

    from sgpipe.engines.gpu import triton_readout, triton_scan, triton_sums

    class Absent:
        """A driver that knows which GPU to compile for, and has none."""

        def get_current_target(self):
            return GPUTarget("cuda", architecture, 32)

        def get_current_device(self):
            return 0

        def get_current_stream(self, device):
            return 0

    class Compiled:
        """Stands for a kernel: a launch compiles it for its arguments, exactly as on a GPU, and goes no further."""

        def __init__(self, kernel):
            self.kernel = kernel

        def __getitem__(self, grid):
            def launch(*arguments, **named):
                assert grid[0] < 2**31 and all(size < 2**16 for size in grid[1:])
                report(self.kernel.warmup(*arguments, grid=grid, **named))

            return launch

    triton.runtime.driver.set_active(Absent())
    for module in (triton_readout, triton_scan, triton_sums):
        for name, part in vars(module).copy().items():
            if isinstance(part, triton.runtime.JITFunction) and not name.startswith("_"):
                setattr(module, name, Compiled(part))
    for layers in LAYERS.values():
        launch_a_minibatch(torch, precision, layers)


def launch_a_minibatch(torch, precision: str, layers: dict) -> None:
    import numpy as np

    from sgpipe.data.samples import Events, Task
    from sgpipe.engines.gpu import GpuEngine
    from sgpipe.spec.run import RunSpec
    from sgpipe.weights.schemes import initial_weights

    spec = RunSpec.make({"training.precision": precision, **layers})
    rows = 1 if spec.network.hidden == (1,) else 50
    events = Events.from_spikes(*np.zeros((3, rows), dtype=int), np.zeros(rows, dtype=int))
    task = Task(20, 10, rows, events, events, events)
    runs = 1 if rows == 1 else 2
    weights = [initial_weights(spec, task.units, task.classes)] * runs
    ((_, pack),) = GpuEngine("cpu", "triton").open([spec] * runs, task, weights).packs
    samples = torch.arange(rows).expand(runs, -1).contiguous()
    for train in (True, False):
        pack.batch(pack.splits["train"], samples, train)


def report(kernel) -> None:
    """Print a kernel's name, warps, and what the assembler says of its registers, stack and spills."""
    from triton.backends.nvidia.compiler import get_ptxas

    architecture = kernel.metadata.target.arch
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(kernel.asm["ptx"])
        suffix = "a" if architecture >= 90 else ""
        flags = ["-v", f"--gpu-name=sm_{architecture}{suffix}", str(source), "-o", str(source.with_suffix(".cubin"))]
        said = subprocess.run([get_ptxas(architecture).path, *flags], capture_output=True, text=True).stderr
    found = {name: re.search(pattern, said) for name, pattern in FACTS.items()}
    facts = ", ".join(f"{name} {match[1]}" for name, match in found.items() if match)
    tf32 = " tf32!" if ".tf32" in kernel.asm["ptx"] else ""
    print(f"{kernel.name}: {kernel.metadata.num_warps} warps, shared {kernel.metadata.shared}, {facts}{tf32}")


FACTS = {"registers": r"Used (\d+) registers", "stack": r"(\d+) bytes stack", "spilled": r"(\d+) bytes spill stores"}

if __name__ == "__main__":
    compile_kernels(int(sys.argv[1]), sys.argv[2])
