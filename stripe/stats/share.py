"""The interval of a measured share."""


def share_interval(share: float, count: int) -> tuple[float, float]:
    """Return between what a share of `count` images lies with 95 % confidence.

    Parameters
    ----------
    share
        0 to 1.
    count
        Number of images, at least 1.

    References
    ----------
    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.

    Examples
    --------
    >>> [round(end, 4) for end in share_interval(0.5, 100)]
    [0.4038, 0.5962]
    """
    z2 = 1.96**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = (z2 * (share * (1 - share) / count + z2 / (2 * count) ** 2)) ** 0.5 / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)
