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
# # Your own model
#
# `stripe` does not need to know the name of your attention module. This notebook defines a network that
# no library has, with its own kind of gate. We train it for an epoch in our own loop, find its gate, ask
# whether the gate is a constant, and remove it.

# %%
from pathlib import Path
from tempfile import mkdtemp

import torch
from torch import nn
from torch.nn import functional as F

import stripe
from stripe.data import DeviceLoader, load_dataset

# %%
torch.manual_seed(0)


class Block(nn.Module):
    """A convolution whose channels are weighed by what the image shows."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(outputs, outputs, 1), nn.Sigmoid()
        )

    def forward(self, x):
        y = self.norm(self.conv(x))
        return F.relu(y * self.weigh(y))


model = nn.Sequential(
    Block(1, 32), Block(32, 64), Block(64, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten()
)
model.append(nn.Linear(128, 10))
train_images = DeviceLoader(load_dataset("fashion-mini", "train"), 64, shuffle=True)
test_images = DeviceLoader(load_dataset("fashion-mini", "test"), 250)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for _ in range(2):
    for images, labels in train_images:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
loss.item()

# %% [markdown]
# ## Find
#
# `find_gates` traces one forward pass. It looks for a multiplication of features by a tensor that depends
# on the input and has one number per channel.

# %%
gates = stripe.find_gates(model, images)
[(gate.name, gate.kind, gate.channels) for gate in gates]

# %% [markdown]
# ## Record
#
# One line records every gate for every image. The stripe index is the share of a gate's variance that lies
# between channels. The median spread says how far a channel moves from image to image. A high index does
# not imply a small spread: channels may differ much, and each may still move.

# %%
folder = Path(mkdtemp())
stripe.record(model, test_images, folder / "gates")
recording = stripe.open_recording(folder / "gates")
stripe.stats.stripe_index(recording).round(4)

# %%
ax = stripe.plots.gate_spread(recording)
# %% [markdown]
# ## Audit
#
# The audit freezes gates at their means over a random half of the images, the cheapest set first. It counts
# the predictions on the other half that stay the same, since a spread matters only by its effect. It also
# writes a report, a single HTML file.

# %%
report = stripe.audit(model, test_images, out=folder / "report.html", curve=True, rounds=5)
report.greedy

# %%
ax = stripe.plots.freezing(report.greedy, threshold=0.99)
# %% [markdown]
# ## Freeze and fold
#
# Frozen gates fold into the layer before them or after them. The folded network has no attention modules
# in their places, and `error` is the measured difference of outputs. We freeze all three gates here,
# regardless of the audit, to see the cost.

# %%
frozen = stripe.freeze(model, recording)
frozen.report[["gate", "frozen", "folded"]]


# %%
def accuracy(network):
    network.eval()
    with torch.no_grad():
        right = [
            (network(images).argmax(1) == labels).sum().item() for images, labels in test_images
        ]
    return sum(right) / len(test_images.dataset)


{"as trained": accuracy(model), "all gates frozen": accuracy(frozen.model)}

# %% [markdown]
# The means come from the same images that we test on, so the result is too good for the frozen network. The
# audit above kept the two apart. For your own model, replace `model` and `test_images`: any `nn.Module` and
# any loader will do, for example `timm.create_model("seresnet50", pretrained=True)`. From a shell:
# `stripe audit --model timm:seresnet50 --pretrained --images my_photos/`.
