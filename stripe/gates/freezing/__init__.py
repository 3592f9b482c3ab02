"""Replace gates of a model by constants: which constants, where, and with what error."""
