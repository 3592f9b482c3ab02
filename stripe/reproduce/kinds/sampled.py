"""Measurements of a trained network on a sample of its test images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stripe.reproduce.store.measurement import Measurement

if TYPE_CHECKING:
    from torch import nn

    from stripe.train.loaders import Loader


@dataclass(frozen=True, kw_only=True)
class SampledMeasurement(Measurement):
    """Settings of a measurement on a sample of the test images.

    Parameters
    ----------
    images
        Number of test images in the random sample, as `record_images` of `TrainConfig`.
    """

    images: int = 500

    def opened(self) -> "tuple[nn.Module, Loader]":
        """Return the network in evaluation mode, and the sample of test images."""
        from stripe.train.trained import open_trained  # this imports torch

        model, loaders = open_trained(
            self.runs[0], device=self.device, data_root=self.data_root, limit=self.images
        )
        return model, loaders.probe
