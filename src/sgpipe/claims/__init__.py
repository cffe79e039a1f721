"""What a paper claims, and whether the tables of our experiments bear it out (docs/claims.md).

`declare` reads the claims, `tables` the experiments, `estimates` makes numbers with intervals of them, `rules` says
where a claim wants these to lie, `judge` gives the verdict; `report` and `picture` show all of them.
"""
