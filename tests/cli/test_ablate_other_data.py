"""Class means of one data set are no class means of another, even if the numbers agree."""

import shutil
from collections.abc import Callable

Run = Callable[..., tuple[int, str]]


def test_class_means_are_those_of_the_same_data(subject: list[str], run: Run) -> None:
    shutil.copytree("photos", "others")
    assert run("record", *subject, "--out", "r")[0] == 0
    elsewhere = ["others" if word == "photos" else word for word in subject]
    ablate = ["ablate", "--recording", "r", "--gates", "layer1*"]
    code, said = run(*ablate, *subject)
    assert (code, "class_mean" in said) == (0, True), said
    code, said = run(*ablate, *elsewhere)
    assert (code, "class_mean " in said) == (0, False), said
    code, said = run(*ablate, *elsewhere, "--interventions", "class_mean")
    assert code == 1
    assert "recorded labels that mean the classes of others, and r is of photos; record" in said
