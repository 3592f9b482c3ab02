"""Wilson's interval of a share of images."""

from typing import TypeVar

import numpy as np

from stripe.typed import typed

#: A share, or an array of shares.
Share = TypeVar("Share", float, np.ndarray)

#: Quantile of the normal distribution at 0.975.
_NORMAL = 1.959963984540054


@typed
def share_interval(share: Share, count: int) -> tuple[Share, Share]:
    """Return Wilson's 95 % interval for a share of randomly drawn images.

    Parameters
    ----------
    share
        The share, from 0 to 1, or an array of shares.
    count
        Number of images, at least 1.

    Returns
    -------
    tuple
        The lower and the upper end, each with the shape of `share`.

    References
    ----------
    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.

    Examples
    --------
    >>> [round(float(end), 4) for end in stripe.stats.share_interval(0.5, 100)]
    [0.4038, 0.5962]
    """
    square = _NORMAL**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    spread = share * (1 - share) / count + square / (4 * count**2)
    half = _NORMAL * spread**0.5 / (1 + square / count)
    low, high = np.clip([middle - half, middle + half], 0, 1)
    return low, high
