"""The command line by the name that it has had since 1.0; `dlpo_cli` is its package."""

import sys
from importlib import import_module
from typing import Any

app: Any
sys.modules[__name__] = import_module("dlpo_cli")
