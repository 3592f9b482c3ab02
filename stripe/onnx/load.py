"""Read and write ONNX files, and refuse other files."""

import hashlib
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, EncodeError
from onnx import ModelProto, inliner
from onnx.external_data_helper import load_external_data_for_model

from stripe.errors import ModelError, StripeError
from stripe.files import read_regular, write_whole

#: Largest size of a protobuf message, in bytes.
_MOST_BYTES = (1 << 31) - 1


def load_model(path: str | Path | ModelProto) -> ModelProto:
    """Return the model of an ONNX file, with its external data, and with its functions inlined.

    A loaded model is returned unchanged.

    Raises
    ------
    ModelError
        If the file does not exist, is not ONNX or has no output, or its external data is missing.
    """
    if isinstance(path, ModelProto):
        return path
    path = Path(path).expanduser()
    if not path.is_file():
        raise ModelError(f"there is no ONNX file at {path}; give another --model")
    try:
        model = onnx.load_from_string(read_regular(path, _MOST_BYTES))
    except (DecodeError, OSError, ValueError, MemoryError) as error:
        raise ModelError(f"{path} is not an ONNX file: {_line(error)}") from error
    if not model.ir_version or not model.opset_import or not model.graph.node:
        raise ModelError(f"{path} is not an ONNX file: it holds no graph; export the model again")
    if not model.graph.output:
        raise ModelError(f"the graph of {path} has no output; export the model again")
    try:
        load_external_data_for_model(model, str(path.parent.absolute()))
    except (OSError, ValueError, MemoryError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"{path} keeps weights in another file, which cannot be read: {_line(error)}; put it "
            "next to the model"
        ) from error
    return inliner.inline_local_functions(model) if model.functions else model


def serialised(model: ModelProto) -> bytes:
    """Return a model as bytes.

    Raises
    ------
    ModelError
        If the model is larger than 2 GiB, the limit of protobuf.
    """
    try:
        data: bytes = model.SerializeToString(deterministic=True)
    except (EncodeError, ValueError) as error:
        raise ModelError(
            f"an ONNX model must be smaller than 2 GiB with its weights: {_line(error)}"
        ) from error
    return data


def save_model(model: ModelProto, path: Path) -> None:
    """Write a model atomically: `path` holds either its old content or the whole model."""
    content = serialised(model)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise StripeError(f"cannot write {path}: {error.strerror}; choose another --out") from error


def fingerprint(model: ModelProto) -> str:
    """Return the SHA-256 of a model: its graph and its weights, also external ones."""
    return hashlib.sha256(serialised(model)).hexdigest()


def _line(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
