"""Commands about a network, for an ONNX file."""

from pathlib import Path
from typing import Any

from stripe.cli.app import new_file, print_json
from stripe.cli.options.model import Network, Source
from stripe.files import check_target


def record_file(source: Source, out: Path, options: dict[str, Any]) -> tuple[int, int]:
    """Record an ONNX file, and return the numbers of images and gates."""
    import stripe.onnx

    network, loader, images = source.load(onnx=True)
    assert isinstance(network, stripe.onnx.OnnxNetwork)
    about = {"name": source.model, "dataset": images, "seed": source.seed}
    recording = stripe.onnx.record(network.model, loader, out, **options, **about)  # type: ignore[arg-type]
    log = recording.verify()
    count = int(log.loc[log["epoch"] == options["epoch"], "rows"].sum())
    return count, len(recording.header.gates)


def freeze_file(
    source: Network, recording: Path, out: Path, options: dict[str, Any], json: bool
) -> None:
    """Write an ONNX file without gates, and print the report of freezing."""
    import stripe.onnx

    check_target(out, (".onnx",), "a frozen ONNX file")
    new_file(out)
    means = stripe.open_recording(recording)
    network = source.load_network(onnx=True)
    assert isinstance(network, stripe.onnx.OnnxNetwork)
    frozen = stripe.onnx.freeze(network.model, means, **options)
    if json:
        print_json({"error": frozen.error, "gates": frozen.report.to_dict("records")})
    else:
        print(frozen.report.to_string(index=False))
    frozen.save(out)
    if not json:
        print(
            f"\n{len(frozen.report)} gates frozen, {frozen.report['folded'].sum()} folded, error "
            f"{frozen.error:.1e}: {out}"
        )
