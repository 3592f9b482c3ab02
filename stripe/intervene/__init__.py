"""Replace gates while a model runs, and measure what that changes."""
