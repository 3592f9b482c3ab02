"""Figure 4: maps of all networks on one scale, named for what was trained."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stripe.gradcam import MeanCam
from stripe.reproduce.kinds import AverageCam
from stripe.reproduce.paper.cells import Cell
from stripe.train.manifest import digests_of, write_manifest

SE = Cell("stl10", "resnet83", "SE", "schedule=steps")
SRM = SE.but(method="SRM")


@pytest.fixture
def results(tmp_path: Path) -> Any:
    """Return two measured maps, of which the second is ten times as high."""
    runs = []
    for number, cell in enumerate((SE, SRM)):
        out = tmp_path / cell.method
        out.mkdir()
        mean = np.arange(16.0).reshape(4, 4) / 16 * 0.1 ** (1 - number)
        MeanCam(mean, np.zeros((1, 4, 4)), 2, 0.3, 0.25).save(out / "cam.npz")
        write_manifest(out, digests_of(out, ("cam.npz",)))
        runs.append(SimpleNamespace(config=SimpleNamespace(out=out)))
    trained = {SE: "resnet11 on photo-patches", SRM: "resnet83 on stl10"}
    return SimpleNamespace(
        stand_ins=trained, finished_cells=lambda: [SE, SRM], first_finished=lambda: runs
    )


@pytest.mark.usefixtures("as_a_user")
def test_all_maps_are_on_one_scale_and_say_what_was_trained(results: Any) -> None:
    first: Any = AverageCam().draw(results)
    panels, bar = first.figure.axes[:2], first.figure.axes[2:]
    assert len(bar) == 1
    assert {panel.images[0].get_clim() for panel in panels} == {(0.0, 15 / 16)}
    assert [panel.get_title() for panel in panels] == [
        "SE\nresnet11 on photo-patches\n(for resnet83 on stl10)",
        "SRM\nresnet83 on stl10",
    ]
    assert panels[0].get_xlabel() == "30 % in the frame\n(uniform: 25 %)"
