"""A training program run in a process that another one forked: started in a second, its libraries already imported."""

import os
import runpy
import sys


def run(module: str, config: str, environment: dict[str, str]) -> None:
    """As ``python -m MODULE CONFIG`` under this environment."""
    os.environ.update(environment)
    sys.argv = [module, config]
    runpy.run_module(module, run_name="__main__")
