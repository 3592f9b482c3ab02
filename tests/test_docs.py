"""The pages of the project: every link leads somewhere, and the README is one screen."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("docs/howto/*.md"),
    ROOT / "data" / "README.md",
]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


def test_a_page_links_every_figure_of_style() -> None:
    linked = {
        (page.parent / link).resolve() for page in PAGES for link in LINK.findall(page.read_text())
    }
    assert set((ROOT / "figures" / "style").iterdir()) <= linked


def test_the_readme_names_every_page() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text()))
    assert {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")} <= linked


def test_every_file_that_contributing_names_exists() -> None:
    folder, missing = ROOT / "stripe", []
    for name in re.findall(
        r"`([\w/.]+(?:\.(?:py|csv)|/))`", (ROOT / "CONTRIBUTING.md").read_text()
    ):
        found = [
            path for path in (ROOT / name, ROOT / "stripe" / name, folder / name) if path.exists()
        ]
        if not found and "NAME" not in name:
            missing.append(name)
        folder = found[0].parent if found else folder
    assert not missing


def test_the_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_citation_is_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text()
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"\nversion: {version[1]}\n" in text
    assert "arXiv:2304.06345" in text
