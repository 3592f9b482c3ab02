"""Speed, measured as a ratio to what a user would do otherwise."""
