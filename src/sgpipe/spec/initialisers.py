"""The named initialisers of weights: a scheme and the family that its numbers are drawn from.

`sgpipe.weights.distributions` draws them. The names are here since drawing needs scipy, which reading the Snakefile
should not wait for.
"""

INITIALISERS = (
    *("glorot_uniform", "glorot_normal", "glorot_truncated_normal", "glorot_bigamma"),
    *("he_uniform", "he_normal", "he_truncated_normal", "he_bigamma"),
    *("orthogonal_uniform", "orthogonal_normal", "orthogonal_bigamma"),
)
