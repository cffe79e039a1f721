"""One page to look around in: every network of some tables, and every claim in every reading."""
