"""A real Slurm of one node: jobs cancelled, out of time, on a node that dies; the tables must be those of a local run."""
