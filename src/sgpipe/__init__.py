"""sgpipe: surrogate-gradient studies of spiking networks, rerun from data to figures."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sgpipe")
except PackageNotFoundError:  # a source tree on the path, not installed
    __version__ = "0+unknown"
