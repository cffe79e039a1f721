"""The claims of a paper, and whether the tables of our experiments support them (docs/claims.md).

`declare` reads the claims, `tables` the experiments, `estimates` computes numbers with intervals from them, `rules`
says where a claim requires these to lie, `judge` gives the verdict; `report` and `picture` show all of them.
"""
