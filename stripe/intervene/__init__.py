"""Replace gates while a model runs, and measure the effect."""
