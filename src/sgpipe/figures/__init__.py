"""Figures and tables: what is plotted (`select`) and how it looks (`draw`), one module each.

`select(tables, experiment)` takes frames by name, `runs` among them, and the experiment's metadata. It returns the
numbers that are plotted or printed as one tidy frame with its module's COLUMNS, which is also kept as a file.
`draw(data, experiment, note)` makes a figure of that frame alone, with `note` in its corner. For a table
`printed(data)` makes the text of its cells, and `legend(data, experiment)` the lines below it.
"""
