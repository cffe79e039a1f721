"""What a user asks for: knobs, runs, experiments and settings."""
