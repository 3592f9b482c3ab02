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
# # How much may noise grow?
#
# Theorem 6.1 bounds how far a perturbation can grow from block to block,
# `eps_(t+1) <= eps_t (1 + alpha_t |W_t|)`, with alpha the largest value of the gate. A gate below 1
# lowers the bound. The paper takes this as the reason why ASR is robust. We compute the bound, and measure
# the growth beside it.

# %%
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

import stripe
from stripe.data import DeviceLoader, load_dataset
from stripe.train import TrainConfig, train

# %%
folder = Path(mkdtemp())
networks = {
    "bare": {"attention": None},
    "SE": {"attention": "se"},
    "ASR(SE)": {"attention": None, "asr": "se"},
}
results = {
    name: train(
        TrainConfig(
            backbone="resnet20",
            epochs=8,
            batch_size=32,
            weight_decay=5e-4,
            schedule="cosine",
            padding=2,
            out=folder / name,
            **modules,
        )
    )
    for name, modules in networks.items()
}
images, _ = next(iter(DeviceLoader(load_dataset("fashion-mini", "test"), 32)))
bounds = {name: stripe.noise_bound(result.model, images) for name, result in results.items()}
bounds["ASR(SE)"].round(3)

# %% [markdown]
# `factor` is the worst-case growth of a perturbation in a block, and `amplification` is the measured growth
# of random perturbations (the median).

# %%
ax = stripe.plots.noise_bound(bounds)
# %%
pd.DataFrame({
    "largest gate": {name: table["alpha"].max() for name, table in bounds.items()},
    "bound": {name: table["bound"].iloc[-1] for name, table in bounds.items()},
    "measured": {name: table["cumulated"].iloc[-1] for name, table in bounds.items()},
}).round(2)  # fmt: skip

# %% [markdown]
# Conclusions:
#
# - The bound is far above the measured growth, because perturbations hardly ever have the worst direction
#   of each layer.
# - The norms of the weights can compensate the gate: a network whose gate is 0.5 can double its weights. A
#   smaller alpha therefore does not imply a smaller bound.
# - The theorem treats a block as one linear map and a ReLU. The docstring of `stripe.noise_bound` describes
#   the computation for a real block with several layers.
# - Each network was trained once. Other seeds give other numbers.
