"""Whether torch can compute on a device: checked once, before anything is trained on it."""

import torch

from sgpipe.base.errors import SgpipeError, first_line


def check_device(device: str) -> None:
    """Raise SgpipeError if torch cannot compute on `device`; it is asked to add two numbers there.

    This finds a build of torch without CUDA, a driver that is missing or too old, and a GPU for which torch has no
    kernels.
    """
    try:
        sum_ = (torch.ones(1, device=device) + 1).item()
    except Exception as error:  # torch raises AssertionError, RuntimeError and others of its own
        raise SgpipeError(
            f"config.yaml: device: {device}: torch cannot compute on it ({first_line(error)}); "
            "set device: cpu, or install torch with CUDA on a machine that has a GPU"
        ) from error
    if sum_ != 2:
        raise SgpipeError(f"config.yaml: device: {device}: torch adds 1 and 1 to {sum_} there; set device: cpu")
