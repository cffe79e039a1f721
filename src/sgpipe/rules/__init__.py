"""What each Snakemake rule does, as a plain call: files in, files out. Nothing here imports Snakemake."""
