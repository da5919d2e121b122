"""What Ansible spends on packing a module before it goes to a host."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
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
constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(dir=sys.argv[1])
packed = {}
for name in sys.argv[2:]:
    found = module_loader.find_plugin_with_context(name)
    context = contextlib.nullcontext()
    if found.resolved_fqcn.startswith("llmfleet."):
        from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import gc_paused
        context = gc_paused()
    started = time.perf_counter()
    with context:
        built = modify_module(
            module_name=found.resolved_fqcn, module_path=found.plugin_resolved_path, module_args={},
            templar=Templar(loader=DataLoader()), module_compression="ZIP_DEFLATED",
            task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
        )
    packed[name] = time.perf_counter() - started, len(built.b_module_data) / 1000
print(json.dumps(packed))
"""


def packing(modules: Sequence[str], folder: Path) -> dict[str, tuple[float, float]]:
    """Seconds that packing each module takes, and the kB that then go to each host, by name.

    modules: names with their collection; the seconds of the first are those of a task, for the others find
        parts of Ansible that are packed already.
    folder: for temporary files.

    Raises LabError when Ansible cannot pack one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [str(VENV_BIN / "python"), "-c", _PACK, str(folder), *modules],
        env=tool_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"{', '.join(modules)} cannot be packed: {done.stderr[-1000:]}")
    packed = json.loads(done.stdout.splitlines()[-1])
    return {name: (float(seconds), float(size)) for name, (seconds, size) in packed.items()}
