"""The result of an audit."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stripe import html
from stripe.plots.freezing import freezing
from stripe.plots.inline import inline_picture
from stripe.stats.stripe_index import index_text


@dataclass(frozen=True)
class Audit:
    """Result of an audit.

    Parameters
    ----------
    model, dataset
        Names of the network and of the images.
    n_images
        Number of images for the means, and number of images for the agreement.
    gates
        One row per gate, in forward order:

        - gate, owner_class, kind, channels: as in `Gate`;
        - eta2, median_std, one_value: as in `stripe.stats.stripe_index`;
        - relative_spread: root mean square spread over images, divided by the root mean square of
          the channel means; 0 for a constant gate;
        - channel, class, image: shares of variance, as in `stripe.stats.variance_components`;
        - off, on: shares of channels that lie within 0.01 of 0, or within 0.01 of 1, for all
          images, as in `stripe.stats.saturation`;
        - exact: share of channels that are exactly 0 or 1 for all images;
        - frozen, folded, into, reason: as in the `report` of `Frozen`;
        - predicted_kl: estimated cost of freezing this gate alone, in nats; NaN without an
          estimate;
        - kl, agreement: measured cost and agreement of freezing this gate alone; NaN if not
          measured.
    greedy
        One row per measured number of frozen gates, including none and all. Gates are frozen in the
        order given by `order`.

        - frozen, gate: number of frozen gates, and the last one frozen ("" for none);
        - predicted_kl: estimated cost of the set, in nats; NaN without an estimate;
        - agreement: with the predictions of the unchanged network, mean over images, 0 to 1;
        - accuracy: 0 to 1; NaN without labels, or if the predictions are not whole numbers;
        - kl: KL divergence from the unchanged network, in nats; NaN without class scores;
        - agreement_low, agreement_high and so on: 95 % intervals of agreement, accuracy and kl.
    order
        The gates that can be frozen, in the order of freezing.
    ordered_by
        "sensitivity" (each further gate adds the least to the estimated cost of the set), or
        "relative_spread" (the most constant gate is first).
    order_reason
        Reason for the order by relative_spread; otherwise "".
    recommended
        The longest prefix of `order` with a measured agreement of at least `threshold`.
    threshold
        Smallest allowed agreement of the recommended set.
    milliseconds
        Median times of a forward pass, in milliseconds: "gates" for the unchanged network, and
        "frozen" for the network with all gates frozen. "batch_size" is the number of images per
        pass.
    attention_share
        Share of the time of a forward pass that is saved by freezing and folding all gates: the
        median over rounds. It is at most 1, and negative if the frozen network was slower. Each
        round runs both networks.
    attention_share_quartiles
        Lower and upper quartile of `attention_share` over rounds, which show the noise of the
        timing.
    fold_error
        `Frozen.error` of freezing all gates together.
    out
        Path of the report, or None.
    controls
        The effect of each intervention on all gates in `order`, as returned by
        `stripe.intervene.ablate.ablate`, after a row for the unchanged network. None if not
        requested, or if `order` is empty.
    optimal
        The comparison of learned constants with the means, for all gates in `order`, as in
        `Frozen.comparison`. None if not requested, or if `order` is empty.

    Examples
    --------
    >>> found = stripe.audit(model, loader, out=None, rounds=1, progress=False)
    >>> found.greedy["agreement"].iloc[0]  # no gate is frozen yet
    np.float64(1.0)
    >>> sorted(found.to_json())[:3]
    ['attention_share', 'attention_share_quartiles', 'controls']
    """

    model: str
    dataset: str
    n_images: tuple[int, int]
    gates: pd.DataFrame
    greedy: pd.DataFrame
    order: list[str]
    ordered_by: str
    order_reason: str
    recommended: list[str]
    threshold: float
    milliseconds: dict[str, float]
    attention_share: float
    attention_share_quartiles: tuple[float, float]
    fold_error: float
    out: Path | None
    controls: pd.DataFrame | None = None
    optimal: pd.DataFrame | None = None

    @property
    def undecided(self) -> bool:
        """Whether too few images were measured to tell if any gate can be recommended.

        True if no measured set of gates reaches the threshold, but the interval of the agreement of
        at least one set does.
        """
        tried = self.greedy[self.greedy["frozen"] > 0]
        return not self.recommended and bool((tried["agreement_high"] >= self.threshold).any())

    @property
    def timed(self) -> bool:
        """Whether the frozen network was faster in at least three quarters of the rounds."""
        return self.attention_share_quartiles[0] > 0

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        values = asdict(self) | {"out": None if self.out is None else str(self.out)}
        for name in ("gates", "greedy", "controls", "optimal"):
            table = getattr(self, name)
            values[name] = None if table is None else json.loads(table.to_json(orient="records"))
        return values

    def __repr__(self) -> str:
        on = f" on {self.dataset}" if self.dataset else ""
        report = "" if self.out is None else f", report {self.out}"
        return (
            f"Audit({self.model}{on}: {len(self.recommended)} of {len(self.gates)} gates "
            f"recommended for {self.threshold:.1%} agreement{report})"
        )

    def _repr_html_(self) -> str:
        facts = {
            "gates": len(self.gates),
            "recommended": f"{len(self.recommended)}, for {self.threshold:.1%} agreement",
            "share of attention in the time": f"{self.attention_share:.1%}"
            if self.attention_share > 0
            else "too small to measure",
            "images": sum(self.n_images),
            "data": self.dataset,
            "report": "" if self.out is None else self.out,
        }
        kept = self.greedy.assign(accuracy=float("nan"))  # one panel
        picture = inline_picture(
            lambda ax: freezing(kept, threshold=self.threshold, ax=ax),
            "predictions kept against the number of frozen gates",
        )
        rows = self.gates[["gate", "eta2", "median_std", "frozen", "folded", "predicted_kl"]]
        rows = rows.assign(eta2=rows["eta2"].map(index_text))
        return html.summary(f"Audit of {self.model}", facts, picture, html.table(rows))
