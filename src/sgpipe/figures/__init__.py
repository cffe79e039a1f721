"""Figures and tables: what is plotted (`select`) and how it looks (`draw`), one module each.

`select(tables, experiment)` takes frames by name, including `runs`, and the experiment's metadata. It returns the
plotted or printed numbers as one tidy frame with the module's COLUMNS; the frame is also saved to a file.
`draw(data, experiment, note)` makes a figure from that frame alone, with `note` in its corner. For a table,
`printed(data)` makes the text of the cells, and `legend(data, experiment)` the lines below it.
"""
