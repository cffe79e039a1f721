"""Have matplotlib draw to files, whatever window system the environment names."""

import os


def without_a_screen() -> None:
    """Make matplotlib, which is imported after this, draw to files alone."""
    os.environ["MPLBACKEND"] = "agg"
