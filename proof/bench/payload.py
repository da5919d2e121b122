"""What Ansible spends on packing a module before it goes to a host."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from lab.errors import LabError
from scripts.layout import VENV_BIN, tool_environment

# With ansible-core's own function (2.19), in a process of its own, since what is packed once is kept; for
# modules of this collection as its action plugins do it.
_PACK = """
import contextlib, json, sys, tempfile, time
from ansible import constants
from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.template import Templar

init_plugin_loader()
constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(dir=sys.argv[2])
found = module_loader.find_plugin_with_context(sys.argv[1])
context = contextlib.nullcontext()
if found.resolved_fqcn.startswith("llmfleet."):
    from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import collector_paused
    context = collector_paused()
started = time.perf_counter()
with context:
    built = modify_module(
        module_name=found.resolved_fqcn, module_path=found.plugin_resolved_path, module_args={},
        templar=Templar(loader=DataLoader()), module_compression="ZIP_DEFLATED",
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
    )
print(json.dumps({"seconds": time.perf_counter() - started, "bytes": len(built.b_module_data)}))
"""


def packing(module: str, folder: Path) -> tuple[float, float]:
    """Seconds that packing a module takes, and the kB that then go to each host.

    folder: for temporary files.

    Raises LabError when Ansible cannot pack it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [str(VENV_BIN / "python"), "-c", _PACK, module, str(folder)],
        env=tool_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"{module} cannot be packed: {done.stderr[-1000:]}")
    seen = json.loads(done.stdout.splitlines()[-1])
    return float(seen["seconds"]), float(seen["bytes"]) / 1000
