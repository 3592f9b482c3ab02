"""Ablations and frozen networks of any task: agreement against what is worked out by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.errors import ModelError, StripeError, UnknownNameError
from stripe.intervene.ablate import ablate
from stripe.outputs.agreement import agreements
from stripe.outputs.predictions import Boxes

GATES = {"gate": np.full(3, 0.5)}


@dataclass
class Spelled:
    letters: Tensor


class Speller(nn.Module):
    """A gated network whose output says which of three letters a text has."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.norm = nn.Sigmoid(), nn.BatchNorm2d(3, affine=False)

    def forward(self, x: Tensor) -> Spelled:
        y = self.norm(x)
        return Spelled((y * self.gate(y.mean((2, 3), keepdim=True))).mean((2, 3)) - 0.2)


def spell(output: Spelled) -> list[str]:
    return ["".join(np.array(list("abc"))[(row > 0).numpy()]) for row in output.letters]


@pytest.fixture
def speller() -> Speller:
    return Speller().eval()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(12, 3, 2, 2, generator=torch.Generator().manual_seed(3))


def options(**more: Any) -> Any:
    return {"predict": spell, "agree": "edit", "progress": False, **more}


def texts(model: Speller, x: Tensor) -> list[str]:
    with torch.no_grad():
        return spell(model(x))


def test_texts_are_compared_by_a_function_of_ones_own(speller: Speller, x: Tensor) -> None:
    before = texts(speller, x)
    assert {"", "ab", "c"} <= set(before)
    table = ablate(speller, x.split(5), None, {"none of it": 0.0, "twice": lambda v: 2 * v},
                   **options(example=x))  # fmt: skip
    assert table["gate"].tolist() == ["", "gate", "gate"]
    # A gate of 0 spells nothing: the edit distance to any text is its length.
    nothing = np.mean([text == "" for text in before])
    with stripe.intervene(speller, lambda v: 2 * v, example=x):
        twice = agreements(before, texts(speller, x), "edit").mean()
    assert 0 < nothing < 1
    assert nothing < twice < 1
    assert table["agreement"].tolist() == pytest.approx([1, nothing, twice])
    low, high = table.loc[2, ["agreement_low", "agreement_high"]]
    assert low < twice < high
    assert table[["kl", "kl_low", "accuracy", "accuracy_high"]].isna().all().all()


def test_scores_that_predict_returns_give_labels_and_divergence(
    small_model: nn.Sequential, images: Tensor
) -> None:
    plain: Any = small_model.eval()
    wrapped = nn.Sequential(*plain, nn.Unflatten(1, (3, 1, 1, 1)))
    labels = torch.arange(10) % 3
    how: Any = {"example": images, "progress": False}
    expected = ablate(plain, [(images, labels)], None, ["zero"], **how)
    for predict in (
        lambda output: output.flatten(1),
        lambda output: output.flatten(1).numpy(),
    ):
        found = ablate(wrapped, [(images, labels)], None, ["zero"], predict=predict, **how)
        assert expected["kl"].max() > 0
        assert found.drop(columns="gate").equals(expected.drop(columns="gate"))
    by_label = ablate(wrapped, [(images, labels)], None, ["zero"],
                      predict=lambda output: output.flatten(1).argmax(1), **how)  # fmt: skip
    assert by_label["accuracy"].equals(expected["accuracy"])
    assert by_label["kl"].isna().all()  # neither the output nor what is predicted are scores


def test_a_function_that_compares_gets_rows_of_scores(
    small_model: nn.Sequential, images: Tensor
) -> None:
    seen = []

    def near(one: Tensor, other: Tensor) -> float:
        seen.append((one.shape, other.shape))
        return float(torch.allclose(one, other, atol=1e-3))

    table = ablate(small_model.eval(), [images], None, ["zero"], "1.gate", agree=near,
                   predict=lambda output: output, example=images, progress=False)  # fmt: skip
    assert set(seen) == {((3,), (3,))}
    assert table["agreement"][0] == 1
    assert table["agreement"][1] < 1


@pytest.mark.parametrize("constants", ["mean", "exact"])
def test_a_frozen_network_is_compared_with_the_unchanged_one(
    speller: Speller, x: Tensor, tmp_path: Path, constants: str
) -> None:
    recording = stripe.record(speller, [x[:4]], tmp_path / "r", progress=False)
    frozen = stripe.freeze(
        speller, recording, constants=constants, images=x.split(5), **options(example=x)
    )
    table = frozen.comparison
    assert table is not None
    with torch.no_grad():
        same = agreements(texts(speller, x), spell(frozen.model(x)), "edit").mean()
    assert table["constants"].tolist() == ["none", constants]
    assert table["gates"].tolist() == [0, int(constants == "mean")]
    assert table["agreement"].tolist() == pytest.approx([1, same])
    assert (same < 1) == (constants == "mean")
    assert table["kl"].isna().all()
    assert stripe.freeze(speller, recording, constants=constants).comparison is None


def test_the_network_is_compared_before_it_is_changed_in_place(
    small_model: nn.Sequential, images: Tensor
) -> None:
    model, labels = small_model.eval(), torch.arange(10) % 3
    means = {"1.gate": np.zeros(8), "4.gate": np.full(4, 0.5)}
    with torch.no_grad():
        before = model(images)
        frozen = stripe.freeze(model, means, images=[(images, labels)], inplace=True)
        after = model(images)
    assert frozen.model is model
    table = frozen.comparison
    assert table is not None
    expected = [float((scores.argmax(1) == labels).float().mean()) for scores in (before, after)]
    assert table["accuracy"].tolist() == pytest.approx(expected)
    same = float((before.argmax(1) == after.argmax(1)).float().mean())
    assert table["agreement"].tolist() == pytest.approx([1, same])
    assert table["kl"][1] > 0


def test_an_exported_program_is_compared(small_model: nn.Sequential, images: Tensor) -> None:
    program = torch.export.export(small_model.eval(), (images,))
    (gate,) = [gate.name for gate in stripe.find_gates(program.module(), images)][:1]
    frozen = stripe.freeze(program, {gate: np.zeros(8)}, images=[images], example=images)
    assert frozen.comparison is not None
    assert frozen.comparison["agreement"][0] == 1
    assert frozen.comparison["kl"][1] > 0


def test_interventions_do_not_act_while_a_frozen_network_is_compared(
    speller: Speller, x: Tensor
) -> None:
    plain = stripe.freeze(speller, GATES, images=[x], **options(example=x)).comparison
    with stripe.intervene(speller, lambda values: 3 * values, example=x):
        inside = stripe.freeze(speller, GATES, images=[x], **options(example=x)).comparison
        outer = ablate(speller, [x], None, {"one": "one"}, **options(example=x))
    assert plain is not None
    assert inside is not None
    assert plain.equals(inside)
    assert plain["agreement"][1] < 1
    # An ablation is nested: its row "none" is the network as it runs, and not the unchanged one.
    tripled, ones = (texts_with(speller, x, how) for how in (lambda v: 3 * v, 1.0))
    assert tripled != texts(speller, x)
    expected = agreements(tripled, ones, "edit").mean()
    assert outer["agreement"].tolist() == pytest.approx([1, expected])


def texts_with(model: Speller, x: Tensor, how: Any) -> list[str]:
    with stripe.intervene(model, how, example=x):
        return texts(model, x)


def test_under_autocast(speller: Speller, x: Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        table = ablate(speller, [x], None, {"zero": 0.0}, **options(example=x))
    assert table["agreement"][0] == 1


WRONG: dict[str, tuple[Any, type[StripeError], str]] = {
    "too few": ({"predict": lambda o: spell(o)[1:]}, StripeError, "got 11 for 12 images; "),
    "one text": ({"predict": lambda o: "abcabcabcabc"}, StripeError, "for each image .*, got str;"),
    "mapping": ({"predict": lambda o: dict.fromkeys(range(12))}, StripeError, "got dict;"),
    "nothing": ({"predict": lambda o: None}, StripeError, "got NoneType;"),
    "one number": ({"predict": lambda o: torch.tensor(1)}, StripeError, "got Tensor;"),
    "one score": ({"predict": lambda o: o.letters[:, :1]}, ModelError, r"2 classes, got \(12, 1\)"),
    "no function": ({"predict": "spell"}, StripeError, "predict must be a function or None"),
    "2.0": ({"agree": lambda a, b: 2.0}, ModelError, "from 0 to 1 .*, got 2.0"),
    "NaN": ({"agree": lambda a, b: float("nan")}, ModelError, "from 0 to 1 .*, got nan"),
    "None": ({"agree": lambda a, b: None}, ModelError, "from 0 to 1 .*, got NoneType"),
    "a number": ({"agree": 0.5}, StripeError, "agree must be a string, a function"),
    "iuo": ({"agree": "iuo"}, UnknownNameError, "unknown agreement 'iuo'; choose one of: equal,"),
    "iou": ({"agree": "iou"}, ModelError, "compares masks or maps of one size, got str"),
    "boxes": ({"agree": "boxes"}, ModelError, "compares Boxes, got str"),
    "labels": ({"predict": None}, ModelError, "'edit' compares sequences, got int"),
    "no box": (
        {"predict": lambda o: [Boxes(np.zeros((0, 4)), np.zeros(0))] * 12, "agree": None},
        ModelError,
        "a comparison of detectors needs images with boxes",
    ),
    "bad boxes": (
        {"predict": lambda o: [Boxes(np.zeros((2, 4)), np.zeros(3))] * 12},
        ModelError,
        r"corners \(N, 4\) and labels \(N,\), got \(2, 4\) and \(3,\); give",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line(speller: Speller, x: Tensor, case: str) -> None:
    wrong, kind, message = WRONG[case]
    calls: tuple[Callable[[], Any], ...] = (
        lambda: ablate(speller, [x], None, ["zero"], **options(example=x, **wrong)),
        lambda: stripe.freeze(speller, GATES, images=[x], **options(example=x, **wrong)),
    )
    for call in calls:
        with pytest.raises(kind, match=rf"\A[^\n]*{message}[^\n]*\Z"):
            call()
    assert not [hook for m in speller.modules() for hook in m._forward_hooks]
