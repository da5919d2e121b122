"""What `verify` costs above its own imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.containers import Container
from lab.errors import LabError
from proof.bench.converged import ENVIRONMENT, host, unchanged
from proof.figures import Result, at_most, median
from proof.fleet import Fleet

ROUNDS = 5
SECONDS = 2.0
"""The cost above the imports, at most."""

MODEL = "/srv/llmfleet-lab/models/tiny-sentiment"

# The tutorials' work, of which only the imports count: what libraries import late (torch's optimizers,
# the model's own code, a back end of matplotlib) is imported by whoever does this work.
_WORK = """
import io, json, sys, warnings
warnings.simplefilter("ignore")
import numpy, pandas, matplotlib, torch, transformers
from matplotlib.figure import Figure
Figure().add_subplot().figure.savefig(io.BytesIO(), format="png")
line = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(line.parameters(), lr=0.1)
optimizer.zero_grad()
line(torch.ones(1, 2)).sum().backward()
optimizer.step()
transformers.pipeline("sentiment-analysis", model=sys.stdin.read())("This is a great movie!")
print("\\n" + json.dumps(list(sys.modules)))
"""

_IMPORTS = """
import json, sys, time
names = json.load(sys.stdin)
started = time.perf_counter()
import importlib
for name in names:
    try:
        importlib.import_module(name)
    except Exception:
        # Some are only names that other modules make.
        pass
seconds = time.perf_counter() - started
print("\\n" + json.dumps({"seconds": seconds, "missing": [one for one in names if one not in sys.modules]}))
"""

_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def figures(fleet: Fleet) -> list[Result]:
    """Seconds of llmfleet.conda.verify, of the imports of what it checks, and of the one above the other.

    Raises LabError when verify does not pass, or the oracle does not import what it should.
    """
    container = host(fleet)
    names = imported(container)
    verify, imports, above, computing = [], [], [], []
    for number in range(ROUNDS + 1):
        run = unchanged(fleet.play("llmfleet.conda.verify", "-e", "verify_max_age=0"))
        needed = import_seconds(container, names)
        if number:
            verify.append(run.seconds)
            imports.append(needed)
            above.append(run.seconds - needed)
            computing.append(_in_environment(fleet.lab.work / "report.json") - needed)
    return [
        median(
            "noop.verify", verify, "s",
            note="The playbook llmfleet.conda.verify, whole, with imports (verify_max_age: 0).",
        ),
        median(
            "noop.verify.imports", imports, "s",
            note=f"{len(names)} modules, imported by the environment's own Python and nothing else done."
            " Verify itself lets the collector of garbage look less often meanwhile.",
        ),
        median(
            "noop.verify.above_imports", above, "s", at_most(SECONDS),
            "Verify less the imports: Ansible, the connection, all files of two prefixes, and the real work"
            f" of the checks (noop.verify.computing, {sorted(computing)[len(computing) // 2]:.1f} s).",
        ),
        median(
            "noop.verify.computing", computing, "s",
            note="What the checks inside the environment took beyond those imports: products, regressions,"
            " a plot, a model's answer.",
        ),
    ]  # fmt: skip


def imported(container: Container) -> list[str]:
    """The modules that the work of the checks imports, in the order in which they came."""
    return list(_last_line(_run(container, _WORK, MODEL)))


def import_seconds(container: Container, names: list[str]) -> float:
    """Seconds in which the environment's Python imports them; its start is not counted.

    Raises LabError when more than a few of them are not there in the end.
    """
    found = _last_line(_run(container, _IMPORTS, json.dumps(names)))
    if len(found["missing"]) > len(names) / 20:
        raise LabError(f"these cannot be imported by themselves: {found['missing'][:5]}")
    return float(found["seconds"])


def _run(container: Container, script: str, given: str) -> str:
    # On standard input, since some thousand names are too long for an argument.
    argv = [f"{ENVIRONMENT}/bin/python", "-I", "-B", "-c", script]
    return container.run(argv, env=_OFFLINE, stdin=given).stdout


def _last_line(text: str) -> Any:
    return json.loads(text.strip().splitlines()[-1])


def _in_environment(report: Path) -> float:
    """Seconds of the checks that the environment's own Python made, as verify reports them."""
    (seen,) = json.loads(report.read_text())["hosts"].values()
    layers = ("imports.", "framework.", "kernel.", "workload.")
    return sum(float(one["seconds"]) for one in seen["checks"] if one["name"].startswith(layers))
