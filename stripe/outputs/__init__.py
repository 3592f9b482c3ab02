"""What a network outputs: class scores, predictions, and the agreement of two predictions."""
