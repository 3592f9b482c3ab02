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
# # Style transfer under batch noise
#
# Batch norm makes the picture of an image depend on the other images of its batch. The paper shows style
# networks that batch norm spoils, and ASR as a remedy. We train three small networks from one seed: instance
# norm (`in`), batch norm (`bn`) and batch norm with ASR (`bn+asr`).
#
# The images are compared by a VGG16 with **random weights**, because trained ones are not included, and training
# is very short. The pictures show how the comparison works. They say nothing about the paper.

# %%
from pathlib import Path
from tempfile import mkdtemp

import stripe
from stripe.style import StyleConfig, train_and_compare

config = StyleConfig(
    features="random:8",
    size=64,
    width=8,
    steps=60,
    style_weight=2.0,
    variation_weight=0.2,
    workers=0,
    device="cpu",
)
found = train_and_compare(config, Path(mkdtemp()), photographs=2, draws=2, progress=False)

# %% [markdown]
# ## The pictures
#
# After 60 steps the photographs are hardly recognisable; `stripe style demo` takes 250.

# %%
pictures = {"photograph": found.photographs, **found.stylised}
ax = stripe.plots.style_grid({
    name: [picture.permute(1, 2, 0).clamp(0, 1).numpy() for picture in column]
    for name, column in pictures.items()
})  # fmt: skip

# %% [markdown]
# ## The numbers
#
# `ssim` is the similarity with the picture of instance norm. `spread` is how far the batch mates of an image move
# its pixels, under the statistics of the batch; it is 0 for instance norm.

# %%
found.numbers.drop(columns="photograph").groupby("variant", sort=False).mean().round(3)

# %% [markdown]
# ## The size of the batch
#
# An image alone has no mates, so the spread at 1 is 0. The statistics of large batches are steadier, so there the
# spread falls.

# %%
ax = stripe.plots.batch_sensitivity(found.by_batch_size)

# %% [markdown]
# `stripe style demo` trains a larger network on larger pictures in three minutes. [docs/style.md](../docs/style.md) says how to train
# on photographs and a painting of your own.
