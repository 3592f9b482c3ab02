# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: -all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Train the attention away
#
# If a gate becomes a constant, why compute it from the image at all? ASR gives the attention module a
# learnable vector, psi, instead of the features. Training still goes through the module. Its output is the
# same for every image, so it folds into the layer before it.

# %%
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd
import torch
import torchvision

import stripe
from stripe.asr import ASR
from stripe.train import TrainConfig, train

# %% [markdown]
# ## In any model
#
# `insert` knows where the paper puts attention in the common families, here after the last norm of
# each of ResNet50's sixteen blocks.

# %%
model = stripe.insert(torchvision.models.resnet50(), asr="se")
bare = torchvision.models.resnet50()
plain = stripe.reparameterize(model)
pd.Series({
    "with ASR, in training": sum(p.numel() for p in model.parameters()),
    "folded": sum(p.numel() for p in plain.parameters()),
    "torchvision's own": sum(p.numel() for p in bare.parameters()),
}, name="parameters").to_frame()  # fmt: skip

# %%
bare.load_state_dict(plain.state_dict())  # the same keys and shapes: nothing is left over
stripe.asr.largest_difference(model, plain)  # largest difference of the outputs, measured

# %% [markdown]
# ## Does it help?
#
# We train three networks with one seed: bare, with SE, and with ASR(SE), eight epochs each (three minutes
# on two CPU cores). One seed does not show which is better. It shows how to compare them;
# [`docs/findings.md`](../docs/findings.md) has the tables with five seeds and their intervals.

# %%
folder = Path(mkdtemp())
common = {
    "backbone": "resnet20",
    "epochs": 8,
    "batch_size": 32,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "padding": 2,
}
results = {
    name: train(TrainConfig(**common, **modules, out=folder / name))
    for name, modules in {
        "bare": {"attention": None},
        "se": {"attention": "se"},
        "asr(se)": {"attention": None, "asr": "se"},
    }.items()
}
pd.DataFrame({
    "accuracy": {name: result.last for name, result in results.items()},
    "parameters": {
        name: sum(p.numel() for p in result.model.parameters()) for name, result in results.items()
    },
})  # fmt: skip

# %% [markdown]
# ## Fold the trained network
#
# The folded network gives the outputs of the trained one, up to rounding, and has the size of the bare one.

# %%
trained = results["asr(se)"].model.eval()
folded = stripe.reparameterize(trained)
images = torch.randn(8, 1, 28, 28)
with torch.no_grad():
    difference = (trained(images) - folded(images)).abs().max().item()
(
    stripe.asr.largest_difference(trained, folded),
    difference,
    sum(p.numel() for p in folded.parameters()),
)

# %% [markdown]
# ## The learned gates
#
# The gate of each block is now a constant. The table shows how far it lies from 1, where it has no effect.

# %%
gates = {
    name.removesuffix(".gate"): module(torch.zeros(1, 1, 1, 1)).detach().flatten()
    for name, module in trained.named_modules()
    if isinstance(module, ASR)
}
pd.DataFrame({name: gate.numpy() for name, gate in gates.items() if len(gate) == 256}).describe()
