"""Where the files of published data sets are, what names them, and how they are fetched."""
