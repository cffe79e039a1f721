"""The named weight initialisers: a scheme and the family from which its numbers are drawn.

`sgpipe.weights.distributions` draws them. The names are kept here because drawing needs scipy, and reading the
Snakefile should not wait for that import.
"""

INITIALISERS = (
    *("glorot_uniform", "glorot_normal", "glorot_truncated_normal", "glorot_bigamma"),
    *("he_uniform", "he_normal", "he_truncated_normal", "he_bigamma"),
    *("orthogonal_uniform", "orthogonal_normal", "orthogonal_bigamma"),
)
