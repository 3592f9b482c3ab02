"""Share the images of a data set among processes, each image once."""

from collections.abc import Iterator, Sized

from torch import distributed
from torch.utils.data import Sampler

from stripe.errors import StripeError
from stripe.typed import typed


class EachOnce(Sampler[int]):
    """Give process r of P the images r, r + P, r + 2 P and so on, without repeating any.

    Use it instead of `DistributedSampler`, which repeats some images so that all processes get the
    same number. A recording rejects an epoch in which an image occurs twice.

    Parameters
    ----------
    dataset
        An object with a length.
    rank, processes
        Rank of this process, and number of processes. Default: the values of torch.distributed; if
        it is not initialised, 0 and 1.

    Raises
    ------
    StripeError
        If the rank is not between 0 and `processes` - 1.

    Examples
    --------
    >>> from stripe.hooks import EachOnce
    >>> list(EachOnce(range(5), rank=0, processes=2)), list(EachOnce(range(5), rank=1, processes=2))
    ([0, 2, 4], [1, 3])
    """

    @typed
    def __init__(
        self, dataset: Sized, rank: int | None = None, processes: int | None = None
    ) -> None:
        together = distributed.is_available() and distributed.is_initialized()
        self.rank = (distributed.get_rank() if together else 0) if rank is None else rank
        world = distributed.get_world_size() if together else 1
        self.processes = world if processes is None else processes
        if not 0 <= self.rank < self.processes:
            raise StripeError(
                f"a rank lies between 0 and {self.processes - 1}, got {self.rank} of "
                f"{self.processes} processes"
            )
        self._images = range(self.rank, len(dataset), self.processes)

    def __iter__(self) -> Iterator[int]:
        return iter(self._images)

    def __len__(self) -> int:
        return len(self._images)
