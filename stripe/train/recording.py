"""The gates of a training run, recorded at every epoch."""

from contextlib import ExitStack

from torch import nn

from stripe.files import refuse_links
from stripe.hooks import Recorder
from stripe.recording import open_recording
from stripe.recording.layout import OF_RUN, Layout
from stripe.robustness import inject_noise
from stripe.robustness.noise_spec import NoiseSpec
from stripe.train.config import TrainConfig
from stripe.train.loaders import Loaders
from stripe.train.own_recording import check_recording
from stripe.train.processes import Processes


def epoch_recorder(
    config: TrainConfig,
    loaders: Loaders,
    model: nn.Module,
    processes: Processes,
    stack: ExitStack,
) -> "EpochRecorder | None":
    """Open the recorder of a run. Return None if the configuration sets no recording.

    Gates are found in the network before noise and compilation. `stack` closes the recording. A
    resumed run must have its own recording.
    """
    if not config.record:
        return None
    refuse_links(config.out / OF_RUN)
    check_recording(config.out)
    noise = None if config.noise is None else NoiseSpec.parse(config.noise)
    recorder = Recorder(
        model,
        config.out / OF_RUN,
        next(iter(loaders.probe))[0][:2],
        # Noise that differs from pass to pass hides to which image a row belongs.
        check=noise is None or noise.kind == "constant" or noise.when == "train",
        resume=True,  # check_recording has found the run to be the same
        name=_name(config),
        dataset=loaders.dataset,
        seed=config.seed,
    )
    return EpochRecorder(stack.enter_context(recorder), loaders, processes)


def _name(config: TrainConfig) -> str:
    """Return the name of the network in the recording. A resumed run keeps its first name."""
    path = config.out / OF_RUN
    begun = open_recording(path).header.model if Layout(path).header.exists() else None
    return begun or config.network


class EpochRecorder:
    """Record each epoch of a run once, in all its processes together."""

    def __init__(self, recorder: Recorder, loaders: Loaders, processes: Processes) -> None:
        self._recorder, self._loaders, self._processes = recorder, loaders, processes
        self.noise: inject_noise | None = None

    def record(self, epoch: int, *, progress: bool) -> None:
        """Record an epoch, and restore the state of the noise, so that a resumed run can skip it.

        A resumed run with other weights replaces the epoch, and drops later epochs.
        """
        recorder, processes = self._recorder, self._processes
        first = processes.rank == 0
        current = recorder.is_current(epoch)
        if not processes.agree(int(first and not current)):
            return
        if processes.agree(int(first and epoch in recorder.epochs)):
            recorder.discard(epoch)
        state = None if self.noise is None else self.noise.state_dict()
        recorder.record(self._loaders.probe, epoch=epoch, progress=progress and first)
        if self.noise is not None and state is not None:
            self.noise.load_state_dict(state)
