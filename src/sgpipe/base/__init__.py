"""General tools that have nothing to do with neurons: errors, files, YAML, schemas, random streams."""
