"""Several processes that train one network together: torchrun, started from the stage itself."""

from __future__ import annotations

import os
import sys
from typing import Final

from seq.utils.stopping import Stopped

# When a process dies, all are started again, and go on from the last checkpoint.
MAX_RESTARTS: Final = 3


def is_rank() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launch(num_processes: int) -> int:
    """Run this command by so many processes; returns the exit code of the first that failed for good, 0 if none did.

    Raises:
        Stopped: this process was told to stop; they have ended.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    options = ["--standalone", "--nproc-per-node", str(num_processes), "--max-restarts", str(MAX_RESTARTS)]
    # Else processes that are started again find the addresses of those before them, and wait for the dead.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    try:
        main([*options, *sys.argv])
    except ChildFailedError as error:
        return abs(error.get_first_failure()[1].exitcode)
    except SignalException as error:
        raise Stopped(error.sigval) from None
    return 0
