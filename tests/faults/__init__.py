"""Faults at random moments: whatever happens, one more ordinary start ends with the same bytes, or with one clear error."""
