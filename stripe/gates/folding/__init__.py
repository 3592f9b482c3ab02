"""Search a trace for the layers that take a constant gate, and multiply their weights by it."""
