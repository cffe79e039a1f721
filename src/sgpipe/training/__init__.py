"""Train a pack of runs, and store them as they end."""
