"""The package as a library: what `import sgpipe as sg` offers (docs/library.md).

Nothing here reads config.yaml. A function writes files only if it is given a place for them.
"""
