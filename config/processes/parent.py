"""No process outlives the one that started it, however that ended.

Two guards, since each alone has a gap: on Linux the kernel sends a signal when the parent dies (but not if it died before we
asked); and a pipe whose other end only the supervisor holds reads as closed once it is gone (everywhere, and however late).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

GRACE_SECONDS = 4.0
_PR_SET_PDEATHSIG = 1


def end_with_parent(pipe: int) -> None:
    """End this process cleanly by SIGTERM, and after a grace by force, once the holder of the other end of `pipe` is gone."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    threading.Thread(target=_watch, args=(pipe,), name="parent", daemon=True).start()


def _watch(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
