"""SIGINT at a line that is traced, as a signal would come there."""

import dis
import signal
from types import FrameType

_NOP = dis.opmap["NOP"]


def strike(frame: FrameType) -> bool:
    """Call the handler of SIGINT, and return True; return False where no signal can come.

    Python handles signals after calls, at jumps back and at the start of functions, and never at a
    NOP. The line of a `try` is a NOP, for which Python 3.11 has no exception handler: what is
    raised there leaves all `with` blocks without their `__exit__`.
    """
    if frame.f_code.co_code[frame.f_lasti] == _NOP:
        return False
    # With the frame that a signal would find, which is not that of the trace function.
    signal.getsignal(signal.SIGINT)(signal.SIGINT, frame)  # type: ignore[operator, misc]
    return True
