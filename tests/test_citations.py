"""What docstrings cite of the paper is there, and is about what they are about."""

import re
from pathlib import Path

import pytest

import stripe

PACKAGE = Path(stripe.__file__).parent
#: Table 12 explains the words of Table 10; nothing here follows from it.
TABLES = {*range(1, 12), 13, 14}
FIGURES = range(1, 30)
#: Appendices by what is theirs: proof, folding, settings and placement, psi, delta, settling, noise
#: in style transfer, stripes.
APPENDICES = "ABCDEFGH"


def cited(text: str, kind: str) -> set[int]:
    """Return the numbers that follow "Table", "Tables 3, 5 and 7" or "Figures 11 to 18"."""
    found: set[int] = set()
    for numbers in re.findall(rf"\b{kind}s? (\d+(?:(?:,| and| to) \d+)*)", text):
        for span in re.findall(r"\d+(?: to \d+)?", numbers):
            ends = [int(end) for end in span.split(" to ")]
            found |= set(range(ends[0], ends[-1] + 1))
    return found


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda f: f.stem)
def test_what_is_cited_exists(file: Path) -> None:
    text = " ".join(file.read_text().split())
    assert cited(text, "Table") <= TABLES
    assert cited(text, "Figure") <= set(FIGURES)
    assert set(re.findall(r"\bAppendix ([A-Z])\b", text)) <= set(APPENDICES)


@pytest.mark.parametrize(
    ("file", "kind", "only"),
    [
        ("gradcam/mean.py", "Figure", {4}),
        ("plots/mean_cam.py", "Figure", {4}),
        ("robustness/noise.py", "Table", {8}),
        ("robustness/noise_spec.py", "Table", {8}),
        ("plots/spatial_attention.py", "Figure", {29}),
        ("stats/spatial_index.py", "Figure", {29}),
        ("train/recipes.py", "Table", {5, 10, 11}),
    ],
)
def test_a_file_cites_its_subject(file: str, kind: str, only: set[int]) -> None:
    text = " ".join((PACKAGE / file).read_text().split())
    assert cited(text, kind) == only


def test_settings_are_cited_from_appendix_c() -> None:
    """Appendix B is about folding."""
    text = (PACKAGE / "train/recipes.py").read_text()
    assert set(re.findall(r"Appendix ([A-Z])", text)) == {"C"}
