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
# # Compare two runs
#
# Which of two networks has the more constant gates? `stripe.compare` answers gate by gate, with an interval.
# What the interval covers depends on the question: other images, or other seeds. This notebook trains six
# ResNet20s for eight epochs, in about ten minutes on two CPU cores.

# %%
from pathlib import Path
from tempfile import mkdtemp

import stripe
from stripe.train import TrainConfig, train

folder = Path(mkdtemp())
recipe = {
    "backbone": "resnet20",
    "epochs": 8,
    "batch_size": 32,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "padding": 2,
    "record": True,
}


def trained(attention, seed):
    out = folder / f"{attention}-{seed}"
    config = TrainConfig(attention=attention, seed=seed, out=out, **recipe)
    return train(config, progress=False).recording


se = [trained("se", seed) for seed in (0, 1, 2)]
eca = [trained("eca", seed) for seed in (0, 1, 2)]

# %% [markdown]
# ## Two runs, over images
#
# SE and ECA in the same network, from the same seed. Each row is a gate; the difference is the second minus
# the first. The interval is a bootstrap over the images, in pairs, because both runs recorded the same images.
# It says how far this difference depends on the choice of images, for these two networks.

# %%
runs, names = [se[0], eca[0]], ["SE", "ECA"]
table = stripe.compare(runs, names=names)
table[table["statistic"] == "eta2"].round(3)

# %%
ax = stripe.plots.compare(table)

# %% [markdown]
# The same runs side by side, and their spread over images. `eta2` is a share: a gate whose channels have different
# means has a high `eta2` even if it varies as much over images as the gate of another network. Here the first two gates
# have about the same spread in both networks, and yet a far higher `eta2` with SE. So the channels of SE differ more;
# these two gates of SE are not more constant ([what may mislead](../docs/mislead.md)).

# %%
ax = stripe.plots.stripes(runs, names=names, side="after", scale="shared")

# %%
ax = stripe.plots.gate_spread(runs, names=names)

# %% [markdown]
# ## Two lists of seeds
#
# A claim about SE and ECA, and not about these two networks, needs other seeds. With lists, the interval is
# Welch's over seeds. It is wider here than the one over images, because three seeds are few. Small points are
# single seeds.

# %%
seeds = stripe.compare([se, eca], names=names)
seeds[seeds["statistic"] == "eta2"].round(3)

# %%
ax = stripe.plots.compare(seeds)

# %% [markdown]
# ## Two epochs of one run
#
# Epoch 0 was recorded before training. An untrained gate hardly reacts to its input, so its `eta2` is close
# to 1. Training lowers it.

# %%
moved = stripe.compare(se[0], epoch=[0, recipe["epochs"]], names=["before", "after"])
moved[moved["statistic"] == "eta2"].round(3)

# %% [markdown]
# The rows have no correction for their number: among twenty gates that are equal, one interval is expected to
# exclude zero. `stripe.plots.save_figure(ax, "compare.pdf")` writes a figure for a paper.
