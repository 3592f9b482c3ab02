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
# makes the bound smaller; the paper takes that for the reason why ASR is robust. We compute the
# bound, and measure what really happens beside it.

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
            backbone="resnet11",
            epochs=1,
            limit=3000,
            batch_size=64,
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
# `factor` is what a block may multiply a perturbation by in the worst case, `amplification` what it
# multiplied random ones by (the median).

# %%
ax = stripe.plots.noise_bound(bounds)
# %%
pd.DataFrame({
    "largest gate": {name: table["alpha"].max() for name, table in bounds.items()},
    "bound": {name: table["bound"].iloc[-1] for name, table in bounds.items()},
    "measured": {name: table["cumulated"].iloc[-1] for name, table in bounds.items()},
}).round(2)  # fmt: skip

# %% [markdown]
# What to make of it:
#
# - The bound is far above what is measured. Each layer's worst direction is hardly ever met.
# - The norms grow to meet the gate: a network whose gate is 0.5 can simply double its weights. So a
#   smaller alpha need not mean a smaller bound; look at the table rather than at the theorem.
# - The theorem takes a block for one linear map and a ReLU. What is computed instead for a real
#   block, with several layers, is in the docstring of `stripe.noise_bound`.
# - One training each: other seeds give other numbers.
