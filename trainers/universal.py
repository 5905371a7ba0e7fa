"""DeepSpeed's universal checkpoint format: whole tensors, from which any number of ranks takes its shares."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from schemas.errors import RunFailed

_WORKERS = 2


def convert(shares: Path, out: Path) -> None:
    """Bring the shares of all ranks that wrote them, of any ZeRO stage, into the universal format in ``out``.

    A file that names the newest conversion (``latest_universal``) appears beside ``out``. In a process of its own.

    Raises:
        RunFailed: DeepSpeed cannot; with the last line of what it said.
    """
    shutil.rmtree(out, ignore_errors=True)
    command = [
        *(sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--inject_missing_state"),
        *("--input_folder", str(shares), "--output_folder", str(out)),
        *("--num_extract_workers", str(_WORKERS), "--num_merge_workers", str(_WORKERS)),
    ]
    environment = {**os.environ, "DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        said = [line for line in run.stderr.splitlines() if line.strip()]
        raise RunFailed(
            f"{shares}: DeepSpeed cannot convert this checkpoint for another number of ranks "
            f"({said[-1].strip() if said else 'it said nothing'}): go on with as many ranks as wrote it"
        )
