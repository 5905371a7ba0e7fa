"""DeepSpeed's universal checkpoint format: whole tensors, which any number of ranks can load."""

import io
from argparse import Namespace
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from schemas.errors import RunFailed


def convert(shares: Path, out: Path) -> None:
    """Convert the shares of all ranks, of any ZeRO stage, into the universal format in ``out``.

    It needs the memory of one share. DeepSpeed also writes a file ``latest_universal`` beside ``out``.

    Raises:
        RunFailed: DeepSpeed cannot convert the shares; the message has its reason.
    """
    from deepspeed.checkpoint import ds_to_universal

    arguments = Namespace(
        input_folder=str(shares),
        output_folder=str(out),
        num_extract_workers=1,  # more workers would be forks of a process with threads, which may deadlock
        num_merge_workers=1,
        keep_temp_folder=False,
        strict=True,
        inject_missing_state=True,
    )
    try:
        with (
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):  # it prints a progress bar for each parameter
            ds_to_universal.main(arguments)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or repr(error)
        raise RunFailed(
            f"{shares}: DeepSpeed cannot convert this checkpoint for another number of ranks ({reason}): "
            "continue with the number of ranks that wrote it"
        ) from error
