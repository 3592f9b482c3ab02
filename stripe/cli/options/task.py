"""The options that say how the outputs of a network are read and compared."""

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """How outputs are read as predictions, and how predictions are compared."""

    predict: Annotated[
        str | None,
        Parameter(
            help="Function (module:function) that converts the output of the network for a batch "
            "into one prediction for each image, or into class scores (B, classes). Default: "
            "depends on the form of the output."
        ),
    ] = None
    agree: Annotated[
        str | None,
        Parameter(
            help="Agreement of two predictions for an image: equal, edit (edit distance of texts), "
            "iou, boxes, or a function of both (module:function) that returns a number from 0 to "
            "1. Default: depends on the kind of predictions."
        ),
    ] = None

    @property
    def given(self) -> bool:
        """Whether one of the options was given."""
        return self.predict is not None or self.agree is not None

    def load(self) -> dict[str, Any]:
        """Return `predict` and `agree` for functions that take them.

        Raises
        ------
        ModelError, UnknownNameError
            If there is no such function, or no such agreement.
        """
        from stripe.outputs.agreement import check_agree

        predict = None if self.predict is None else _function("predict", self.predict)
        if self.agree is not None and ":" in self.agree:
            return {"predict": predict, "agree": _function("agree", self.agree)}
        check_agree(self.agree)
        return {"predict": predict, "agree": self.agree}


def _function(option: str, name: str) -> Any:
    """Return a user's function, wrapped so that its errors are one line."""
    from stripe.backbones.own import own_function
    from stripe.errors import ModelError, StripeError

    found = own_function(name, f"--{option} is module:function, as mine:read for a file mine.py")

    def called(*arguments: Any) -> Any:
        try:
            return found(*arguments)
        except StripeError:
            raise
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise ModelError(
                f"--{option} {name} raised {type(error).__name__}: {reason}; correct the function"
            ) from error

    return called


ANY_TASK = TaskOptions()
