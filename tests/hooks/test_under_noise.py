"""Recordings of networks into whose norms noise is injected."""

from pathlib import Path

import numpy as np
import pytest
import torch

import stripe
from stripe import Recorder, inject_noise, open_recording
from stripe.backbones import build


@pytest.mark.parametrize("when", ["eval", "both"])
def test_noise_in_the_norm_that_owns_a_gate_is_no_gate(when: str, tmp_path: Path) -> None:
    """A scale per channel is multiplied there too, by us; a recorder may be made before it."""
    model = stripe.insert(build("resnet11", num_classes=3, in_channels=1), attention="se").eval()
    images = torch.rand(9, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    seen: list[torch.Tensor] = []
    gate = stripe.find_gates(model, images[:2])[0]
    kept = model.get_submodule(gate.name).register_forward_hook(
        lambda module, args, output: seen.append(output.flatten(1))
    )
    with (
        Recorder(model, tmp_path / "r", check=False) as recorder,
        inject_noise(model, f"random:0.3,0.3,when={when}", seed=3),
    ):
        for epoch in (0, 1):
            recorder.record(images.split([4, 4, 1]), epoch, progress=False)
    kept.remove()
    values = open_recording(tmp_path / "r").values(gate.name, 1)
    assert values.shape[0] == 9
    blocks = [block.numpy() for block in seen if not block.is_meta]
    assert any(np.array_equal(values[:4], block) for block in blocks)
