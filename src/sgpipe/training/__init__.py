"""A pack of runs in, ended runs in the store."""
