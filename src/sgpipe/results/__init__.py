"""What runs leave behind, and what is chosen and computed from it."""
