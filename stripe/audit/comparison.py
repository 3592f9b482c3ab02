"""Compare the predictions of a network with those of its frozen version."""

from collections.abc import Callable, Collection
from typing import Any

from stripe.audit.candidate import Candidate
from stripe.audit.images import Halves
from stripe.outputs.task import Read, Task


class HeldOutComparison:
    """Compares the predictions of a network before and after freezing, on the held-out images.

    Parameters
    ----------
    candidate
        The network.
    images
        The images.
    task
        How outputs are read and predictions compared.
    done
        Function that is called after each run of a network over the images.
    """

    def __init__(
        self,
        candidate: Candidate,
        images: Halves,
        task: Task,
        done: Callable[[], object] = lambda: None,
    ) -> None:
        self._candidate, self._images, self._task, self._done = candidate, images, task, done
        self._before = self._read(candidate.model, missing=False)
        self._measured = {frozenset[str](): self._compared(self._before)}

    def measured(self, gates: Collection[str], make: Callable[[], Any]) -> dict[str, float]:
        """Return agreement, accuracy and KL divergence, with their intervals, for frozen gates.

        Each set is measured once.

        Parameters
        ----------
        gates
            Names of the frozen gates.
        make
            Function that returns the network with these gates frozen.
        """
        which = frozenset(gates)
        if which not in self._measured:
            self._measured[which] = self._compared(self._read(make()))
        return self._measured[which]

    def known(self, gate: str) -> dict[str, float]:
        """Return the measurements with this gate alone frozen, empty if there are none."""
        return self._measured.get(frozenset([gate]), {})

    def _compared(self, now: Read) -> dict[str, float]:
        return self._task.measures(self._before, now, self._images.labels)

    def _read(self, model: Any, *, missing: bool = True) -> Read:
        batches = self._images.held_out
        outputs = self._candidate.outputs(model, batches)
        found = self._task.read(zip(map(len, batches), outputs, strict=True), missing=missing)
        self._done()
        return found
