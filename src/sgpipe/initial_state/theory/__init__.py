"""Herranz-Celotti & Rouat's theory of initialisation: one layer, its conditions and their solution."""
