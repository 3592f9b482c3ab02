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
# # Does attention sit in the centre?
#
# The paper averages Grad-CAM maps over a data set and sees a blob in the middle (Figure 4). It takes this
# as one reason why attention is nearly the same for every image. An average map is easily misread, so we
# add a number and then move the images.

# %%
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd
import torch

import stripe
from stripe.data import DeviceLoader, load_dataset
from stripe.gradcam import central_share
from stripe.train import TrainConfig, train

# %%
result = train(
    TrainConfig(
        backbone="resnet20",
        attention="se",
        epochs=8,
        batch_size=32,
        weight_decay=5e-4,
        schedule="cosine",
        padding=2,
        out=Path(mkdtemp()) / "run",
    )
)
test = load_dataset("fashion-mini", "test").head(1000)
cam = stripe.mean_cam(result.model, DeviceLoader(test, 250), "layer2.0")

# %%
ax = stripe.plots.mean_cam(cam)
# %% [markdown]
# A uniform map has a quarter of its mass in the central quarter. A larger share is a preference for the
# centre, either of the network or of the data. The objects of these images are centred, as their mean
# shows:

# %%
image = cam.mean_image.mean(0)
{
    "map": cam.central_share,
    "mean image": central_share(image - image.min()),
    "uniform": cam.uniform_share,
}

# %% [markdown]
# ## Move the images
#
# We shift the images by a quarter. If the map follows the objects, the preference comes from the data; if
# it stays, it comes from the network. (The network was not trained on shifted images, so its accuracy
# falls.)

# %%
shifted = replace(test, images=torch.roll(test.images, (7, 7), dims=(2, 3)))
moved = stripe.mean_cam(result.model, DeviceLoader(shifted, 250), "layer2.0")
ax = stripe.plots.mean_cam(moved)
# %%
untrained = stripe.build("resnet20", attention="se", num_classes=10, in_channels=1, seed=1)
maps = {
    "trained": cam,
    "trained, images shifted": moved,
    "untrained": stripe.mean_cam(untrained, DeviceLoader(test, 250), "layer2.0"),
    "trained, images shifted, one layer deeper": stripe.mean_cam(
        result.model, DeviceLoader(shifted, 250), "layer3.0"
    ),
}
pd.Series(
    {name: found.central_share for name, found in maps.items()}, name="central share"
).to_frame()

# %% [markdown]
# Zero padding alone can make the map of an untrained network uneven, so compare with that line as well as
# with 0.25. `method=` takes the name of any other method of pytorch-grad-cam:
# `stripe.mean_cam(model, loader, layer, method="EigenCAM")`.
