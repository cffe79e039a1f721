"""The user's own files, listed under `extensions:` in config.yaml: read, checked and registered."""

from sgpipe.spec.extensions.load import use_extensions

__all__ = ["use_extensions"]
