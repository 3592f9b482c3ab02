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
# image: the *gate*. Does the gate really depend on the image? We train an SE-ResNet20 for eight epochs
# on the 7,000 images that ship with the project (one to five minutes on two CPU cores), record its gates, and look
# at them.

# %%
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

import stripe
from stripe.train import TrainConfig, train

out = Path(mkdtemp()) / "run"
result = train(
    TrainConfig(
        backbone="resnet20",
        attention="se",
        epochs=8,
        batch_size=32,
        weight_decay=5e-4,
        schedule="cosine",
        padding=2,
        record=True,
        out=out,
    )
)
result.history

# %% [markdown]
# `record=True` ran 500 random test images through the network before training (epoch 0) and after
# every epoch, with a hook on every gate. The recording is a folder of Parquet files.

# %%
recording = stripe.open_recording(result.recording)
recording.gates

# %%
gate = "layer3.1.bn3.gate"  # the deepest
recording.values(gate).shape  # images, channels, in the last epoch

# %% [markdown]
# ## Stripes?
#
# Rows are images, columns are channels. The left panel shows the features that reach the attention
# module, the right panel the gate. In a perfect stripe pattern every column has one colour. Each panel
# has its own colour scale; on a shared one (`scale="shared"`) the gate looks flatter, since a sigmoid keeps it
# in (0, 1).

# %%
ax = stripe.plots.stripes(recording, gate=gate)
# %% [markdown]
# The gate alone, with the images sorted by label. Bands across are classes: such a gate is no stripe.

# %%
ax = stripe.plots.stripes(recording, gate=gate, side="after", image_order="label")
# %% [markdown]
# ## The stripe index
#
# `eta2` is the share of the gate's variance that lies between channels: 1 for a perfect stripe, 0 if
# the image decides everything. Look at the first epoch too: an untrained gate hardly reacts to
# anything, so its `eta2` is near 1 without any training.

# %%
index = stripe.stats.stripe_index(recording)
shown = index[index["epoch"].isin([0, 1, recording.last_epoch])]
shown.pivot_table(index="gate", columns="epoch", values="eta2").round(3)

# %% [markdown]
# ## Spread and settling
#
# The first figure shows the standard deviation of each channel over images, before and after attention.
# The second shows how far the gate of three images moved in each epoch (black means no change).
# The learning rate follows a cosine to zero, so the last differences are small in any network.

# %%
ax = stripe.plots.channel_std(recording, gate=gate)
# %%
ax = stripe.plots.epoch_difference(recording, gate=gate)
# %% [markdown]
# ## The explorer
#
# The explorer lists all gates at the left and shows every value of one gate. Turn the wheel to zoom, drag
# to pan, and click on a cell to see the images with the highest and the lowest gate in its channel.
# `stripe explore RUN` shows the same in a browser.

# %%
stripe.explore(recording)

# %% [markdown]
# ## Plain Parquet
#
# Any reader of Parquet reads the recording, without `stripe`.

# %%
pd.read_parquet(result.recording / "data").head(3)
