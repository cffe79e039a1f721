"""The package as a library: what `import sgpipe as sg` offers (docs/library.md).

Nothing here reads config.yaml, and nothing writes but where a function is told to.
"""
