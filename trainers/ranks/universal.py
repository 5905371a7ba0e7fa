"""DeepSpeed's universal checkpoint format: whole tensors, from which any number of ranks takes its shares."""

import io
from argparse import Namespace
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from schemas.errors import RunFailed


def convert(shares: Path, out: Path) -> None:
    """Bring the shares of all ranks that wrote them, of any ZeRO stage, into the universal format in ``out``.

    It takes the memory of one share. A file that names the newest conversion (``latest_universal``) appears beside
    ``out``.

    Raises:
        RunFailed: DeepSpeed cannot; with its reason.
    """
    from deepspeed.checkpoint import ds_to_universal

    arguments = Namespace(
        input_folder=str(shares),
        output_folder=str(out),
        num_extract_workers=1,  # more would be forks of a process that has threads
        num_merge_workers=1,
        keep_temp_folder=False,
        strict=True,
        inject_missing_state=True,
    )
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # steps and bars for each parameter
            ds_to_universal.main(arguments)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or repr(error)
        raise RunFailed(
            f"{shares}: DeepSpeed cannot convert this checkpoint for another number of ranks ({reason}): "
            "go on with as many ranks as wrote it"
        ) from error
