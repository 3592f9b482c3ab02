"""Everything that needs a GPU, in slices that can be resumed: `make gpu`."""
