"""Where the files of published data sets are, how they are identified, and how they are fetched."""
