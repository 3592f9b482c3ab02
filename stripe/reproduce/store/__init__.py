"""Content-addressed runs and measurements."""
