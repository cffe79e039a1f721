"""Herranz-Celotti & Rouat 2022, "Surrogate Gradients Design": a module per figure or table."""
