"""The pictures of recordings that the exhibits ask for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stripe import plots
from stripe.recording import open_recording
from stripe.reproduce.kinds import GatePictures
from stripe.reproduce.paper.catalogue import exhibit, list_exhibits

SHOWN = [name for name in list_exhibits() if isinstance(exhibit(name).kind, GatePictures)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_the_plot_takes_the_options_of_the_exhibit(
    name: str, write_recording: Callable[..., Path]
) -> None:
    rng = np.random.default_rng(0)
    recording = open_recording(write_recording({e: {"gate": rng.random((8, 6))} for e in (0, 1)}))
    kind = exhibit(name).kind
    assert isinstance(kind, GatePictures)
    getattr(plots, kind.plot)(recording, **kind.options)
