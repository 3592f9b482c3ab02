"""The photographs in the wheels of scikit-image and scikit-learn."""

from importlib.util import find_spec
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from stripe.data.image_file import ImageReader
from stripe.errors import DataError

#: The folder of photographs in each package.
FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}


def packaged_photograph(file: str) -> Path:
    """Return the path of an image file in an installed package.

    Nothing is downloaded, and the package is not imported.

    Parameters
    ----------
    file
        Package and file name, "skimage/coffee.png" or "sklearn/china.jpg".

    Raises
    ------
    DataError
        If the package is not installed, or does not contain the file.

    Examples
    --------
    >>> packaged_photograph("skimage/coffee.png").name
    'coffee.png'
    """
    package, name = file.split("/")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise DataError(
            "the photographs of scikit-image and scikit-learn are needed for photo-patches and "
            f"for style transfer without --content and --style, and {package} is not installed; "
            "pip install 'stripe-attention[style]'"
        )
    path = Path(spec.origin).parent / FOLDERS[package] / name
    if not path.is_file():
        raise DataError(
            f"{package} must carry {name}, and {path} is missing; install the package again from "
            "its wheel"
        )
    return path


def read_photograph(file: Path, covers: tuple[int, int] | None = None) -> UInt8[Tensor, "3 h w"]:
    """Read an image file in RGB, rotated by its EXIF orientation.

    Parameters
    ----------
    file
        The file.
    covers
        Height and width that the photograph is resized to cover. Default: it is not resized.

    Raises
    ------
    DataError
        If the file cannot be decoded, or has too many pixels.
    """
    pixels: Tensor = TF.pil_to_tensor(ImageReader(covers, upright=True)(file))
    return pixels
