"""What users register in their own files: neurons, initialisers, data sets and figures (docs/extensions.md).

`declare` has the decorators. `registry` holds what the files in config.yaml have registered, for looking up names.
`sgpipe.spec.extensions` reads the files and fills the registry.
"""
