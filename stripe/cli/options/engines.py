"""The options of the engines: processes of this machine, or a Ray cluster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stripe.cli.options.groups import ENGINE
from stripe.errors import StripeError

if TYPE_CHECKING:
    from stripe.reproduce.engines import Local, Ray

#: The options that only one of the engines takes.
_OF_LOCAL = ("workers", "device", "runs_per_gpu")
_OF_RAY = ("address", "gpus_per_run", "cpus_per_run")


@Parameter(name="*", group=ENGINE)
@dataclass(frozen=True, kw_only=True)
class MapEngine:
    """The engine that reduces the files of recordings."""

    engine: Annotated[
        Literal["local", "ray"],
        Parameter(
            help="Engine: processes on this machine (local), or a Ray cluster whose nodes have "
            "access to the same folders (ray)."
        ),
    ] = "local"
    workers: Annotated[
        int | None,
        Parameter(help="Number of processes of the local engine. Default: for runs, one per GPU "
                  "or, without GPUs, one per CPU core; for statistics, one."),
    ] = None  # fmt: skip
    address: Annotated[
        str | None,
        Parameter(
            help="Address of the Ray cluster. Default: the cluster on this machine, or a new one."
        ),
    ] = None

    def made(self) -> "Local | Ray":
        """Return the engine, or refuse an option that it does not take.

        Raises
        ------
        StripeError
            The message names the option.
        """
        given = {name: value for name, value in vars(self).items() if value is not None}
        for name in _OF_RAY if self.engine == "local" else _OF_LOCAL:
            if name in given:
                option = name.replace("_", "-")
                raise StripeError(
                    f"--{option} is not supported by the engine {self.engine}; leave it out"
                )
        if self.engine == "ray":
            from stripe.reproduce.engines.ray import Ray

            cpus = given.get("cpus_per_run", 1.0)
            return Ray(address=self.address, gpus=given.get("gpus_per_run"), cpus=cpus)
        from stripe.reproduce.engines.local import Local

        local = {name: given[name] for name in _OF_LOCAL if name in given}
        if local.get("runs_per_gpu") == "auto":
            from stripe.reproduce.engines.runs_per_gpu import runs_per_gpu

            local["runs_per_gpu"] = runs_per_gpu(local.get("device", "auto"))
        return Local(**local)


@Parameter(name="*", group=ENGINE)
@dataclass(frozen=True, kw_only=True)
class RunEngine(MapEngine):
    """The engine that executes runs."""

    device: Annotated[
        str | None,
        Parameter(
            help="Device of the local engine. Default: a GPU if there is one, or else the CPU."
        ),
    ] = None
    runs_per_gpu: Annotated[
        int | Literal["auto"] | None,
        Parameter(
            help="Number of runs that share a GPU of the local engine. auto: the number that "
            "trains the most images per second, measured once per GPU model. Default: 1."
        ),
    ] = None
    gpus_per_run: Annotated[
        float | None,
        Parameter(help="Number of GPUs per run on Ray. Default: 1, or 0 if the cluster has none."),
    ] = None
    cpus_per_run: Annotated[
        float | None, Parameter(help="Number of CPUs per run on Ray. Default: 1.")
    ] = None


MAP_HERE, RUN_HERE = MapEngine(), RunEngine()
