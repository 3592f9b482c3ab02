"""Put the functions that replace gates into a model, and take them out again."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from threading import local
from typing import Any

from torch import Generator, Tensor, nn

from stripe.errors import ModelError
from stripe.gates.freezing.operands import Operand
from stripe.intervene.batch import Batch
from stripe.intervene.functions import Function, width_of
from stripe.intervene.replaceable import Replaceable
from stripe.intervene.replaced import Instead, is_paused, replace_operands, replace_output
from stripe.modules.hooked import Hooks
from stripe.modules.uncompiled import uncompiled
from stripe.modules.unwrap import modules_by_name


class Interventions:
    """Functions that replace gates of a running model.

    Parameters
    ----------
    found
        The model, and its gates.
    functions
        Functions by the name of the gate.
    seed
        Seed of their random numbers.
    """

    def __init__(
        self, found: Replaceable, functions: Mapping[str, Function], seed: int = 0
    ) -> None:
        self.functions = functions
        self._labels: Tensor | None = None
        self._found, self._seed = found, seed
        self._undo = Hooks()
        self._on = False
        self._of_thread = local()

    @property
    def labels(self) -> Tensor | None:
        """The class of each image of the next pass."""
        return self._labels

    @labels.setter
    def labels(self, labels: Tensor | None) -> None:
        self._labels = labels
        if self._on:  # a call of another method than that of the model begins no pass
            self._batch = self._of_thread.batch = Batch(self._generator, labels)

    def _put_on(self) -> None:
        """Replace the gates from now on."""
        self._on = True
        self._ran, self._waiting = False, set(self.functions)
        self._generator = Generator().manual_seed(self._seed)
        self._batch, self._of_thread = Batch(self._generator, self._labels), local()
        self._undo.enter_context(uncompiled())
        # A function, since a copy of the model would also copy what a bound method belongs to.
        model = self._found.model
        self._undo.before(model, lambda *given: self._begin(*given), with_kwargs=True)
        self._replace_all()

    def _take_off(self) -> None:
        """Let the model, and copies that were made meanwhile, compute their gates again."""
        self._on = False
        self._undo.close()

    @property
    def idle(self) -> bool:
        """Whether the model has not run, and no gate was replaced."""
        return not self._ran and len(self._waiting) == len(self.functions)

    def check_off(self) -> None:
        """Raise an error if the gates are already replaced."""
        if self._on:
            raise ModelError("this intervention is already on; make another one to add more")

    def __enter__(self) -> "Interventions":
        """Replace the gates; enter it between `interrupts_held` and `interrupts_allowed`."""
        self.check_off()
        try:
            self._put_on()
        except BaseException:
            self._take_off()
            raise
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._take_off()
        if error is None:
            self._check()

    def _check(self) -> None:
        """Raise if the model ran and a gate was not replaced."""
        if self._ran and self._waiting:
            raise ModelError(
                f"the model ran and did not compute the gate {sorted(self._waiting)[0]!r}, so it "
                "was not replaced; leave it out with gates=[...]"
            )

    def _replace_all(self) -> None:
        modules = modules_by_name(self._found.model)
        by_owner: dict[str, dict[Operand, Instead]] = defaultdict(dict)
        for name in self.functions:
            place, instead = self._found.places[name], self._instead(name)
            if place.hook is None:
                for operand in self._found.operands(place):
                    by_owner[operand.owner][operand] = instead
            else:
                replace_output(modules[place.hook], instead, self._undo)
        for owner, operands in by_owner.items():
            replace_operands(modules[owner], operands, self._undo)

    def _instead(self, name: str) -> Instead:
        def replacement(values: Tensor) -> Any:  # a function, so that copies of the model share it
            if not self._on:
                return values
            self._waiting.discard(name)
            batch = getattr(self._of_thread, "batch", self._batch)
            return self.functions[name](values, batch)

        return Instead(name, width_of(self._found.places[name]), replacement)

    def _begin(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Begin a pass of this thread, with new random draws."""
        if not is_paused():
            self._ran = True
            images = _images((*args, *kwargs.values()))
            self._batch = self._of_thread.batch = Batch(self._generator, self._labels, images)


def _images(inputs: Sequence[Any]) -> int | None:
    """Return how many images a model is given: a tensor, or a list of images as a detector's."""
    first = next((given for given in inputs if isinstance(given, Tensor | list | tuple)), None)
    return None if first is None or (isinstance(first, Tensor) and not first.ndim) else len(first)
