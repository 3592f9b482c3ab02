"""Do what needs a GPU, slice by slice: tests, timings, tables and figures.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --device cpu --rehearse

Each slice ends after at most nine minutes and writes its JSON; none begins after 40 minutes. The
same command does what is left.
"""

import argparse
import signal
import sys
from functools import partial
from pathlib import Path

from benchmarks.gpu.checks import checks
from benchmarks.gpu.exhibits import NAMES, reproduce
from benchmarks.gpu.hour import run_slices
from benchmarks.gpu.needs import estimate, require_data
from benchmarks.gpu.slices import Setting, Slice
from benchmarks.gpu.timings import TIMINGS
from benchmarks.gpu.together import together
from stripe.errors import StripeError
from stripe.train.device import resolve_device

SLICES = [
    Slice("checks", checks),
    *(Slice(name, work, apart=True) for name, work in TIMINGS.items()),
    Slice("together", together, apart=True),
    *(Slice(name, partial(reproduce, name)) for name in NAMES),
]


def setting_of(arguments: argparse.Namespace) -> Setting:
    """Return where slices run; an error where there is no such device."""
    resolve_device(arguments.device)
    if arguments.device == "cpu" and not arguments.rehearse:
        raise StripeError("a CPU is for a rehearsal; give --rehearse too, or --device cuda")
    results = Path("runs/gpu-rehearsal") if arguments.rehearse else Path(__file__).parents[1]
    out = arguments.out or (results if arguments.rehearse else results / "results" / "gpu")
    store = arguments.store or (out / "store" if arguments.rehearse else Path("runs/store"))
    return Setting(
        device=arguments.device,
        rehearse=arguments.rehearse,
        out=out,
        store=store,
        data_root=arguments.data_root,
        minutes=arguments.minutes,
    )


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rehearse", action="store_true", help="the smallest size of every slice")
    parser.add_argument("--minutes", type=float, default=9.0, help="limit of a slice")
    parser.add_argument("--total-minutes", type=float, default=40.0, help="limit of all slices")
    parser.add_argument("--slices", type=int, help="slices of this call. Default: all")
    parser.add_argument("--only", choices=[s.name for s in SLICES], action="append")
    parser.add_argument("--here", action="store_true", help="in this process, without a limit")
    parser.add_argument("--out", type=Path, help="folder of the results")
    parser.add_argument("--store", type=Path, help="folder of trainings")
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    return parser.parse_args(arguments)


def _here(slices: list[Slice], setting: Setting) -> int:
    """Run slices in this process; SIGTERM is an exception, so that their processes end too."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    waiting = [one for one in slices if not one.is_done(setting)]
    return sum(not one.run(setting) for one in waiting)


def main(arguments: list[str] | None = None) -> int:
    """Run the slices that are not done, and say what is left and why; 0 where nothing is."""
    given = parsed(arguments)
    chosen = [one for one in SLICES if given.only is None or one.name in given.only]
    try:
        setting = setting_of(given)
        if any(one.name in NAMES and not one.is_done(setting) for one in chosen):
            require_data(setting)
    except StripeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if given.here:
        return _here(chosen, setting)

    def after(one: Slice) -> None:
        if one.name == "together":
            print(estimate(setting), flush=True)

    run_slices(chosen, setting, calls=given.slices, total_minutes=given.total_minutes, after=after)
    left = [one for one in chosen if not one.is_done(setting)]
    print(f"left: {'; '.join(f'{one.name}: {one.why(setting)}' for one in left) or 'nothing'}")
    return bool(left)


if __name__ == "__main__":
    sys.exit(main())
