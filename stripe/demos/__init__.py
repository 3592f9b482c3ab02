"""The demo, the gallery and the speed table of the command line."""
