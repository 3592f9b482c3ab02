"""Default values that several functions and commands share."""

from pathlib import Path

#: Folder of data sets.
DATA_ROOT = Path("data")
#: Number of classes of a network that is built by name.
NUM_CLASSES = 1000
#: Share of predictions that must stay the same when gates are frozen.
THRESHOLD = 0.99
#: Largest number of images of a comparison of networks.
LIMIT = 1000
#: Number of epochs of the networks of the demo and of the gallery, chosen by test accuracy within
#: three minutes, without looking at the gates.
DEMO_EPOCHS = 7
#: Number of images per forward pass.
BATCH_SIZE = 64
#: Number of timed forward passes of an audit.
ROUNDS = 21
#: Largest absolute value of a channel that is off, and smallest value of one that is on.
LOW, HIGH = 0.01, 0.99
#: Number of folds of the cross-validation of class information, and shrinkage of its classifier.
FOLDS, SHRINKAGE = 5, 0.1
#: Number of bootstrap samples of a comparison, and the confidence level of its intervals.
RESAMPLES, LEVEL = 1000, 0.95
#: Number of labels that sensitivity draws for each image.
DRAWS = 4
#: Largest seed, which torch and numpy both take.
LARGEST_SEED = 2**63 - 1
