"""Train a network and know what the number means."""

from stripe.train.config import TrainConfig as TrainConfig
from stripe.train.loop import TrainResult as TrainResult
from stripe.train.loop import train as train
