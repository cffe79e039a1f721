"""Figures and tables: what is plotted (`select`) and how it looks (`draw`), one module each."""
