"""Made-up words and sentences for those who have no files."""
