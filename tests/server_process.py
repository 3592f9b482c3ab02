"""A server in a process of its own, for tests in a browser."""

import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def server_process(
    command: Callable[[int], Sequence[str]], folder: Path, **options: Any
) -> Iterator[str]:
    """Run the command for a free port in a folder, and yield its address; its log is kept there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command(port), stdout=log, stderr=log, cwd=folder, **options)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)
