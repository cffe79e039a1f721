"""Files of a user's own, named under `extensions:` of config.yaml: read, checked and registered."""

from sgpipe.spec.extensions.load import use_extensions

__all__ = ["use_extensions"]
