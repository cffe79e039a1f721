"""The results of runs, and what is chosen and computed from them."""
