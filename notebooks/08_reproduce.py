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
# # Reproduce a table of the paper
#
# `stripe reproduce` trains the networks of a table or figure at a *scale*, from `paper` (its recipes and data)
# to `test` (two to four steps, to test the code). This notebook reads Table 8 from published numbers, and runs
# a figure at the smallest scale.

# %%
from pathlib import Path
from tempfile import mkdtemp

from stripe.reproduce.paper.catalogue import exhibit, list_exhibits
from stripe.reproduce.paper.scales import scale
from stripe.reproduce.report import claim_text, rounded
from stripe.reproduce.reproduction import reproduction
from stripe.reproduce.store.execute import execute

print(*list_exhibits())

# %% [markdown]
# ## Published numbers
#
# The runs of the scale `desk` (a ResNet20 on 7,000 images, three epochs) are too long for a notebook. Their
# numbers lie beside the reports, and `published` takes them from there. Our mean and standard deviation stand
# beside the number of the paper, which has another network and data set: only differences between the rows of a
# column can be compared.

# %%
desk = reproduction(
    exhibit("table8"), scale("desk"), published=Path("..", "figures", "reproduce", "desk")
)
print(desk.headings[0])
rounded(desk.numbers())[["method", "setting", "best", "best_std", "n", "paper", "difference"]].head(
    8
)

# %%
ax = desk.exhibit.kind.draw(desk)

# %% [markdown]
# ## The claim
#
# Every exhibit has a claim. It is tested by paired differences over seeds with 95 % intervals; here: ASR loses
# less accuracy to noise than the bare network.

# %%
print(claim_text(desk))
rounded(desk.claims()).drop(columns="metric").head(6)

# %% [markdown]
# ## Run what is missing
#
# The same objects run the trainings. A run is stored once, under its configuration; all exhibits share it, and
# an interrupted one continues. `execute` does one run here; `Local(workers=2).run(found.needed)` of
# `stripe.reproduce.engines` deals runs out to processes, and `Ray` to a cluster. The scale `test` shows the way,
# and nothing about the paper.

# %%
smallest = reproduction(exhibit("figure11"), scale("test"), store=Path(mkdtemp()))
[run.state for run in smallest.needed]

# %%
[execute(run, "cpu", threads=1) for run in smallest.needed]

# %%
ax = smallest.exhibit.kind.draw(smallest)

# %% [markdown]
# From a shell: `stripe reproduce table8 --scale desk --report` and `stripe reproduce figure11 --scale test`.
# [docs/reproduce.md](../docs/reproduce.md) lists exhibits and scales.
