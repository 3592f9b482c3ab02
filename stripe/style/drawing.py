"""Write a comparison of norms as pictures and tables."""

from pathlib import Path
from typing import Any

from jaxtyping import Float
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from stripe.files import saving, write_json
from stripe.plots import batch_sensitivity, paper_style, save_figure, style_grid
from stripe.style.comparison import Comparison
from stripe.style.photographs import as_bytes
from stripe.typed import typed
from stripe.versions import command_line, library_versions

#: Explanation of the numbers in the captions of the grid.
_NUMBERS = "SSIM: structural similarity with the reference. Spread: std of a pixel over batch mates"


@typed
def draw_comparison(found: Comparison, out: str | Path) -> list[Path]:
    """Write a comparison into the folder `out` as pictures and tables.

    The files are `grid.png`, `by_batch_size.png`, their tables `numbers.csv` and
    `by_batch_size.csv`, and their provenance `comparison.json`. The paths of these files are
    returned. The pictures of the grid are also written to `pictures/VARIANT/PHOTOGRAPH.png`, and
    the photographs to `pictures/photograph/PHOTOGRAPH.png`.

    Raises
    ------
    StripeError
        If a file cannot be written.

    Examples
    --------
    >>> from stripe.style import compare, draw_comparison, open_style
    >>> runs = {name: open_style(Path("runs/style") / name) for name in ("in", "bn+asr")}
    >>> found = compare(runs, photographs=1, draws=2, batch_sizes=(1, 2), progress=False)
    >>> [file.name for file in draw_comparison(found, Path("compared"))]
    ['grid.png', 'by_batch_size.png', 'numbers.csv', 'by_batch_size.csv', 'comparison.json']
    """
    out = Path(out).expanduser()
    captions = {
        str(name): [_caption(row) for row in rows.to_dict("records")]
        for name, rows in found.numbers.groupby("variant", sort=False)
    }
    columns = {"photograph": found.photographs, **found.stylised}
    with paper_style():
        grid = style_grid(
            {title: [as_bytes(image) for image in images] for title, images in columns.items()},
            captions=captions,
            note=f"{_NUMBERS}. Features: {found.features}",
        )
        save_figure(grid, out / "grid.png")
        save_figure(
            batch_sensitivity(found.by_batch_size, note=f"features: {found.features}"),
            out / "by_batch_size.png",
        )
    out.mkdir(parents=True, exist_ok=True)
    names = found.numbers["photograph"].unique()
    for title, images in columns.items():
        folder = out / "pictures" / title
        for name, image in zip(names, images, strict=True):
            write_picture(image, folder / f"{name}.png", title, found.features)
    for name, table in (("numbers.csv", found.numbers), ("by_batch_size.csv", found.by_batch_size)):
        with saving(out / name) as draft:
            table.to_csv(draft, index=False)
    made = {**found.settings, "command": command_line(), "versions": library_versions()}
    write_json(out / "comparison.json", made)
    files = ("grid.png", "by_batch_size.png", "numbers.csv", "by_batch_size.csv", "comparison.json")
    return [out / file for file in files]


def write_picture(image: Float[Tensor, "3 h w"], file: Path, variant: str, features: str) -> None:
    """Write a picture as PNG, with its provenance in text fields."""
    about = PngInfo()
    about.add_text("Software", f"stripe, style network {variant}")
    about.add_text("Comment", f"features: {features}")
    with saving(file) as draft:
        Image.fromarray(as_bytes(image)).save(draft, format="PNG", pnginfo=about)


def _caption(numbers: dict[Any, Any]) -> str:
    """Return the caption with the two numbers of the claim, or "reference" for instance norm."""
    if numbers["variant"] == "in":
        return "reference"
    return f"SSIM {numbers['ssim']:.2f}\nspread {numbers['spread']:.3f}"
