"""What attention costs, what it does, and what can go."""
