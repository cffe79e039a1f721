"""What a user registers in files of their own: neurons, initialisers, data sets and figures (docs/extensions.md).

`declare` has the decorators, and `registry` what the files of config.yaml have registered, for all who look up a name.
`sgpipe.spec.extensions` reads the files and fills it.
"""
