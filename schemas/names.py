"""Names that become folders of the ledger: labels, steps of training, question sets."""

import re

RAMP = "ramp"
"""The name of the RAMP questions among the question sets."""
START = "start"
"""The name of the model before all steps of training."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def refuse_name(name: str, what: str) -> None:
    """Raises ValueError if ``name`` cannot be ``what``, such as `a label`."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be {what}: begin with a small letter or digit, and use only small letters, digits, dots, "
            "dashes and underscores"
        )
