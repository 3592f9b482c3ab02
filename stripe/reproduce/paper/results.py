"""The numbers in the paper's tables."""

from functools import cache
from importlib.resources import files
from io import StringIO

import pandas as pd

#: Section 6 (1): average loss of accuracy in percent if gates are replaced by constants, before
#: and after fine-tuning.
CONSTANTS_LOSS = {"constants": 28.0, "fine-tuned": 15.0}


@cache
def paper_results() -> pd.DataFrame:
    """Return the numbers of Tables 1 to 9, 13 and 14.

    Returns
    -------
    DataFrame
        One row per number: table, dataset, backbone, method ("base", "SE", "ASR(SE)",
        "SE+ASR(SE)"), setting ("delta=2", "constant(0.8,0.8)", or ""), metric (top1, top1_std and
        top5 in percent, params_millions, fps), value, and note ("" for none).
    """
    text = (files("stripe.reproduce.paper") / "results.csv").read_text()
    return pd.read_csv(StringIO(text), keep_default_na=False).astype({"value": float})
