"""What knows no science: errors, files, YAML, schemas, random streams."""
