"""Made-up words and sentences for users who have no data files."""
