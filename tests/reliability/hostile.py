"""Files that ask for more memory or time than there is, and the commands that read them.

Usage: python tests/reliability/hostile.py FOLDER. Each command runs in a process that may take
1 GiB of address space more than the program itself, and has a time limit. There is one line of
JSON per command: name, exit code (minus the signal if it was killed), seconds, and what it printed.
"""

import json
import os
import resource
import signal
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import torch
from onnx import TensorProto, helper
from PIL import Image
from resealed import fit, rewrite
from resources import write_zip_bomb

import stripe.plots
from stripe.cli import main
from stripe.recording import Header, RecordedGate, RecordingWriter
from stripe.train.run import CONFIG, WEIGHTS

LIMIT, SECONDS = 1 << 30, 60
HUGE = 1 << 33
DEEP = "[" * 5_000_000
NETWORK = ["--model", "resnet11", "--attention", "se", "--num-classes", "3"]
#: Arguments of a command for files that were made in a folder.
Case = Callable[[Path], list[object]]


def sparse(file: Path, begin: bytes = b"", end: bytes = b"", size: int = HUGE) -> Path:
    """Make a file of zeros that takes no room, with a beginning and an end."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(begin)
    os.truncate(file, size)
    with file.open("ab") as opened:
        opened.write(end)
    return file


def written(file: Path, content: bytes | str) -> Path:
    """Write a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def png(folder: Path, width: int, height: int) -> list[object]:
    """Record over an image of this size, whose rows compress to almost nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * min(height, 1000)), 9)
    signature = b"\x89PNG\r\n\x1a\n"
    content = signature + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return record(written(folder / "images/a.png", content).parent)


def record(images: Path, *network: object) -> list[object]:
    """Record over images."""
    out = ["--images", images, "--out", images.with_name("r")]
    return ["record", *(network or NETWORK), *out, "--device", "cpu"]


def weights(file: Path) -> list[object]:
    """Read weights."""
    return ["gates", *NETWORK, "--weights", file]


def zip_bomb(folder: Path) -> list[object]:
    """Weights whose archive unpacks to 2 GiB."""
    file = folder / "w.pth"
    write_zip_bomb(file, 2048)
    return weights(file)


def old_torch(folder: Path) -> list[object]:
    """Weights in the older form of torch, with a storage of 2^40 numbers."""
    file = folder / "w.pth"
    torch.save({"a": torch.zeros(77)}, file, _use_new_zipfile_serialization=False)
    number = b"\x8a\x06" + (1 << 40).to_bytes(6, "little")
    written(file, file.read_bytes().replace(b"cpuq\x06K\x4d", b"cpuq\x06" + number))
    assert number in file.read_bytes()
    return weights(file)


def repeated(folder: Path) -> list[object]:
    """Weights of 2^40 numbers that are all the same one."""
    whole = torch.zeros(1).expand(1 << 40)
    state = stripe.build("resnet11", attention="se", num_classes=3).state_dict()
    torch.save({**state, "conv1.weight": whole, next(iter(state)): whole}, folder / "w.pth")
    return weights(folder / "w.pth")


def safetensors(folder: Path, header: bytes, length: int, size: int) -> list[object]:
    """Weights in a file of this size whose header says that it has this length."""
    begin = length.to_bytes(8, "little") + header
    return weights(sparse(folder / "w.safetensors", begin, size=max(size, len(begin))))


def recording(folder: Path, channels: int = 8, images: int = 50) -> Path:
    """Write a recording of zeros, which compress well."""
    gates = (
        RecordedGate(name="g", owner="", owner_class="Gated", channels=channels, pooled=False),
    )
    with RecordingWriter(folder / "r", Header(gates=gates)) as writer, writer.epoch(0) as part:
        for start in range(0, images, 100):
            index = np.arange(start, min(start + 100, images))
            part.write(index, {"gate/g": np.zeros((len(index), channels), np.float32)})
    return folder / "r"


def one_row_group(folder: Path) -> Path:
    """Write a recording of 2 GiB of zeros whose only part is one row group of 100 kB."""
    path = recording(folder, channels=1 << 15)

    def grow(table: pa.Table) -> pa.Table:
        count = 1 << 14
        lists = pa.FixedSizeListArray.from_arrays(
            pa.array(np.zeros(count << 15, np.float32)), type=table.schema.field("gate/g").type
        )
        index, none = pa.array(np.arange(count)), pa.nulls(count, pa.int32())
        return pa.table([index, none, none, lists], schema=table.schema)

    rewrite(path, grow)
    return path


def footer(folder: Path) -> Path:
    """Write a recording whose footer says how many rows it has in other digits than it should."""
    path = recording(folder, images=77)
    part = path / "data/epoch=0/part-0.parquet"
    content = part.read_bytes()
    # 77 as thrift writes it, and 2^34 in its place; the length of the footer grows with it.
    grown = content.replace(b"\x16\x9a\x01", b"\x16\x80\x80\x80\x80\x80\x01")
    assert len(grown) > len(content)
    length = int.from_bytes(content[-8:-4], "little") + len(grown) - len(content)
    part.write_bytes(grown[:-8] + length.to_bytes(4, "little") + grown[-4:])
    fit(path, 1 << 34)
    return path


def graph(folder: Path, sides: list[int], data: bytes = b"", **external: str) -> list[object]:
    """Record the gate of an ONNX graph, which is computed by a weight of this shape."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=sides, raw_data=data)
    if external:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in external.items():
            weight.external_data.add(key=key, value=value)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("x", "y")
    ]
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Conv", ["p", "w"], ["c"]),
        helper.make_node("Sigmoid", ["c"], ["v"]),
        helper.make_node("Mul", ["x", "v"], ["y"]),
    ]
    made = helper.make_graph(nodes, "g", values[:1], values[1:], [weight])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, folder / "m.onnx")
    (folder / "images").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "images/a.png")
    return [*record(folder / "images", "--model", folder / "m.onnx"), "--image-size", "8"]


def pipe(file: Path) -> Path:
    """Make a pipe."""
    file.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(file)
    return file


def archive(folder: Path) -> list[object]:
    """Draw a mean map from an archive whose array has 2^40 numbers."""
    shape = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({1 << 40},), }}"
    head = shape.ljust(117).encode() + b"\n"
    with zipfile.ZipFile(folder / "m.npz", "w") as made:
        made.writestr("mean.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)
    return ["plot", "mean-cam", folder / "m.npz", "--out", folder / "m.png"]


def plot(table: Path) -> list[object]:
    """Draw a table."""
    return ["plot", "noise-robustness", table, "--out", table.with_suffix(".png")]


def run(file: Path, name: str = "run") -> list[object]:
    """Verify the run that a file belongs to."""
    (file.parent / CONFIG).touch()
    return ["verify", file.parent]


TENSOR = b'{"a":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}}'

CASES: dict[str, Case] = {
    "PNG that grows when resized": lambda f: png(f, 1, 300_000),
    "PNG of 3.6 billion pixels": lambda f: png(f, 60_000, 60_000),
    "pipe as an image": lambda f: record(pipe(f / "images/a.png").parent),
    "zip bomb": zip_bomb,
    "old torch file": old_torch,
    "weights that repeat one number": repeated,
    "sparse .pth": lambda f: weights(sparse(f / "w.pth")),
    "pipe as weights": lambda f: weights(pipe(f / "w.safetensors")),
    "safetensors header of 2^62 bytes": lambda f: safetensors(f, b"{", 1 << 62, 99),
    "safetensors header of 99 MB": lambda f: safetensors(f, b'{"a":', 99_000_000, HUGE),
    "safetensors of 4 GiB": lambda f: safetensors(f, TENSOR, len(TENSOR), 8 + len(TENSOR) + 2**32),
    "deep recording.json": lambda f: ["verify", written(f / "r/recording.json", DEEP).parent],
    "sparse recording.json": lambda f: ["verify", sparse(f / "r/recording.json").parent],
    "long recording.json": lambda f: [
        "verify", sparse(f / "r/recording.json", b'{"format_version": 1, "x": "', b'"}').parent,
    ],
    "sparse head": lambda f: ["verify", sparse(recording(f) / "log/head.json").parents[1]],
    "sparse log": lambda f: ["verify", sparse(recording(f) / "log/0.json").parents[1]],
    "deep config.json": lambda f: weights_of_run(written(f / "run" / CONFIG, DEEP)),
    "sparse config.json": lambda f: weights_of_run(sparse(f / "run" / CONFIG)),
    "many lists in config.json": lambda f: weights_of_run(
        written(f / "run" / CONFIG, "[" + "[]," * 20_000_000 + "[]]")
    ),
    "sparse manifest": lambda f: run(sparse(f / "run/manifest.sha256")),
    "settings of --config": lambda f: ["train", "--config", sparse(f / "c.json"), "--out", f / "o"],
    "deep frozen.json": lambda f: frozen(f, lambda g: written(g, DEEP)),
    "sparse frozen.json": lambda f: frozen(f, sparse),
    "fine: Parquet bomb, verified": lambda f: ["verify", one_row_group(f)],
    "Parquet bomb, its statistics": lambda f: ["stats", "index", one_row_group(f)],
    "Parquet bomb, drawn": lambda f: ["plot", "stripes", one_row_group(f), "--out", f / "s.png"],
    "Parquet bomb, explored": lambda f: ["explore", one_row_group(f), "--out", f / "e.html"],
    "footer of 2^33 rows, verified": lambda f: ["verify", footer(f)],
    "footer of 2^33 rows, read": lambda f: ["stats", "index", footer(f)],
    "archive of NumPy": archive,
    "table of one line of 8 GiB": lambda f: plot(sparse(f / "t.csv", b"network,noise,accuracy")),
    "pipe as a table": lambda f: plot(pipe(f / "t.csv")),
    "costs of one line of 8 GiB": lambda f: [
        "explore", recording(f), "--costs", sparse(f / "c.csv", b"gate,kl"), "--out", f / "e.html",
    ],
    "fine: ONNX": lambda f: graph(f, [3, 3, 1, 1], bytes(36)),
    "ONNX of huge sides": lambda f: graph(f, [1 << 40, 3, 1, 1]),
    "ONNX of sides beyond 64 bits": lambda f: graph(f, [1 << 40, 1 << 40, 1 << 40]),
    "ONNX of a negative side": lambda f: graph(f, [-5, 3, 1, 1]),
    "ONNX beside a pipe": lambda f: graph(f, [3, 3, 1, 1], location=pipe(f / "w").name),
    "ONNX beside a sparse file": lambda f: graph(f, [3, 3, 1, 1], location=sparse(f / "w").name),
    "sparse ONNX": lambda f: ["gates", "--model", sparse(f / "m.onnx")],
    "pipe as ONNX": lambda f: ["gates", "--model", pipe(f / "m.onnx")],
}  # fmt: skip


def weights_of_run(file: Path) -> list[object]:
    """Read the network of the run that a configuration belongs to."""
    file.with_name(WEIGHTS).touch()
    return ["gates", "--model", file.parent]


def frozen(folder: Path, make: Callable[[Path], object]) -> list[object]:
    """Read weights beside which a file says which gates are frozen."""
    network = stripe.build("resnet11", attention="se", num_classes=3)
    torch.save(network.state_dict(), folder / "w.pth")
    make(folder / "w.frozen.json")
    return weights(folder / "w.pth")


def limited(arguments: list[object]) -> None:
    """Run a command with little memory and time."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + LIMIT,) * 2)
    signal.alarm(SECONDS)
    main([str(argument) for argument in arguments])


def outcome(arguments: list[object], said: Path) -> tuple[int, float, str]:
    """Run a command in a process of its own; return its exit code, seconds, and what it printed."""
    start = time.monotonic()
    child = os.fork()
    if not child:
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        try:
            limited(arguments)
        except SystemExit as ended:
            os._exit(ended.code if isinstance(ended.code, int) else 3)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(4)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, time.monotonic() - start, said.read_text()


def all_outcomes(root: Path, chosen: list[str]) -> None:
    """Print the outcome of every case."""
    torch.set_num_threads(1)
    for number, (name, make) in enumerate(CASES.items()):
        if chosen and name not in chosen:
            continue
        folder = root / str(number)
        folder.mkdir()
        code, seconds, said = outcome(make(folder), root / f"{number}.txt")
        sys.stdout.write(json.dumps([name, code, round(seconds, 1), said]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    all_outcomes(Path(sys.argv[1]), sys.argv[2:])
