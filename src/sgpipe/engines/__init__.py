"""Ways to train a network: torch, C++ on a CPU, Triton on a GPU."""
