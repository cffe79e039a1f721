"""What is asked: knobs, runs, experiments and the user's settings."""
