"""The commit that a run names."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stripe
from stripe.versions import commit

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    code = tmp_path / "stripe"
    code.mkdir()
    for name in ("versions.py", "__init__.py"):
        shutil.copy(Path(stripe.__file__).parent / name, code / name)
    script = (
        f"import sys; sys.path.insert(0, {str(code)!r}); import versions; print(versions.commit())"
    )

    def said() -> str:
        return subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout.strip()

    assert said() == "None"
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*GIT, *words], cwd=tmp_path, check=True)
    named = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert named.startswith(said())
    (code / "versions.py").write_text((code / "versions.py").read_text() + "\n")
    assert said() == named[:10] + "+"


def test_the_commit_of_this_code() -> None:
    if (Path(stripe.__file__).parents[1] / ".git").exists():
        assert commit()
