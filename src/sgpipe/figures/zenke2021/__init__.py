"""Figures and tables of Zenke & Vogels 2021."""
