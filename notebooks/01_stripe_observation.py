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
# # The Stripe Observation
#
# Channel attention multiplies every channel of a feature map by a number that it computes from the
# image: the *gate*. Does the gate really depend on the image? We train a small SE-ResNet for two
# epochs on the images that ship with the project, record its gates, and look.

# %%
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

import stripe
from stripe.train import TrainConfig, train

out = Path(mkdtemp()) / "run"
result = train(
    TrainConfig(
        backbone="resnet11",
        attention="se",
        epochs=2,
        batch_size=32,
        schedule="cosine",
        padding=2,
        record=True,
        out=out,
    )
)
result.history

# %% [markdown]
# `record=True` ran the first 500 test images through the network before training (epoch 0) and after
# every epoch, with a hook on every gate. The recording is a folder of Parquet files.

# %%
recording = stripe.open_recording(result.recording)
recording.gates

# %%
gate = "layer3.0.bn3.gate"
recording.values(gate, epoch=2).shape  # images, channels

# %% [markdown]
# ## Stripes?
#
# Rows are images, columns channels. On the left the features that reach the attention module, on the
# right the gate. Columns of one colour would be a perfect stripe. Both sides share one colour scale,
# and a sigmoid keeps the gate in (0, 1), so the right side looks flatter whatever it does.

# %%
ax = stripe.plots.stripes(recording, gate=gate)
# %% [markdown]
# The right side alone, on its own scale, is the fairer picture.

# %%
ax = stripe.plots.stripes(recording, gate=gate, side="after", image_order="label")
# %% [markdown]
# ## A number for it
#
# `eta2` is the share of the gate's variance that lies between channels: 1 for a perfect stripe, 0 if
# the image decides everything. Look at the first epoch too: an untrained gate hardly reacts to
# anything, so its `eta2` is near 1 without any training.

# %%
index = stripe.stats.stripe_index(recording)
index.pivot_table(index="gate", columns="epoch", values="eta2").round(3)

# %% [markdown]
# ## Spread, and how it settles
#
# The standard deviation of each channel over images, before and after; and how far the gate of three
# images moved in each epoch (black is no change). Two epochs are not convergence: run `make demo`
# for more.

# %%
ax = stripe.plots.channel_std(recording, gate=gate)
# %%
ax = stripe.plots.epoch_difference(recording, gate=gate)
# %% [markdown]
# ## Look through it
#
# The explorer shows all gates at the left and one of them value by value. Turn the wheel to zoom, drag to
# pan, click a cell to see which images open and close its channel most. `stripe explore RUN` shows the
# same in a browser.

# %%
stripe.explore(recording)

# %% [markdown]
# ## It is only Parquet
#
# Nothing of ours is needed to read the recording.

# %%
pd.read_parquet(result.recording / "data").head(3)
