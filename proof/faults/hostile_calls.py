"""Where hostile values begin: calls out of the contract table and the modules' own EXAMPLES."""

from __future__ import annotations

import ast
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from proof.faults import hostile_world as world
from proof.faults.hostile_values import Generator, merged
from scripts.layout import ROOT
from tests.integration.contract_table import TABLE

Options = dict[str, Any]
_SUM = "0" * 64
# Options that a module obeys for minutes when it is told to: the value would be a wait.
_IN_THE_PLACE_OF = {
    "name": "llm",
    "timeout": 60,
    "mode": "0755",
    "owner": "0",
    "group": "0",
    "variables": {"A": "1"},
}


class _Any(dict[str, str]):
    """A word for every key: digests and addresses of packages."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    def __missing__(self, key: str) -> str:
        return self._word.format(key)


def words(root: str) -> dict[str, Any]:
    """What the words of the contract table stand for in the world at ``root``."""
    nowhere = world.NOWHERE
    return {
        "place": f"{root}/place", "env": f"{root}/place/env", "own": f"{root}/place/own",
        "base": f"{root}/base", "mirror": nowhere, "published": nowhere, "hub": nowhere,
        "channel": f"{nowhere}/conda/lab", "wheels": f"{root}/wheels", "lab_wheels": f"{root}/wheels",
        "url": _Any(f"{nowhere}/conda/lab/noarch/{{}}.conda"), "md5": _Any("0" * 32), "sha256": _Any(_SUM),
        "wheel_sha256": _Any(_SUM), "installer_version": "py311_24.7.1-0",
        "installer_url": f"file://{root}/wheels/{world.INSTALLER}",
        "installer_path": f"{root}/wheels/{world.INSTALLER}", "checksum": installer_sum(root),
        "catalogued": "py312_25.3.1-1", "uid": 0, "gid": 0,
    }  # fmt: skip


def installer_sum(root: str) -> str:
    """The checksum of the world's installer, so that a call gets past it."""
    text = world.texts(root)[f"wheels/{world.INSTALLER}"]
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """A value of the contract table with its words replaced."""
    if isinstance(value, dict):
        return {key: filled(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, known) for item in value]
    return value.format(**known) if isinstance(value, str) else value


def examples(module: str) -> list[Options]:
    """The options of each example in a module's documentation."""
    tree = ast.parse((ROOT / "plugins/modules" / f"{module}.py").read_text(encoding="utf-8"))
    text = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES"
    )
    found = (task.get(f"llmfleet.conda.{module}") for task in yaml.safe_load(text))
    return [options for options in found if options]


def calls(module: str, root: str) -> list[Options]:
    """Calls of a module that make sense in the world at ``root``."""
    known = words(root)
    rows = [filled(row.options, known) for row in TABLE if row.module == module]
    texts = json.dumps(examples(module)).replace("/opt/miniconda3", f"{root}/base")
    texts = texts.replace("/srv/", f"{root}/place/srv/").replace("https://", "https://127.0.0.1:9/")
    found: list[Options] = rows + json.loads(texts)
    for call in found:
        # Nothing has to be found on a controller; nothing is asked of a network for long.
        if any(name.endswith(("_file", "_files", "_path")) or name == "path" for name in call):
            call["remote_src"] = True
        if module == "conda_config":
            call.pop("remote_src", None)
    return [{k: v for k, v in call.items() if v is not None} for call in found]


# The modules that look_ahead can ask, of this collection.
_ASKED_AHEAD = ("conda_installation", "conda_config", "conda_env", "conda_pip")


def asked_ahead(known: Mapping[str, Sequence[Options]]) -> list[Options]:
    """Calls of look_ahead that ask the modules what their own calls say."""
    return [
        {"steps": [{"module": f"llmfleet.conda.{module}", "options": call}]}
        for module in _ASKED_AHEAD
        for call in known.get(module, ())
    ]


def option_names(specs: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every option and, dotted, every suboption with its argument spec."""
    for name, spec in specs.items():
        yield name, spec
        for below, one in option_names(spec.get("options") or {}):
            yield f"{name}.{below}", one


@dataclass(frozen=True)
class Value:
    """One hostile value: where it is (``what``), and the call in which it is tried."""

    what: str
    module: str
    options: Options
    files: dict[str, str]
    check: bool

    def as_line(self, number: int) -> str:
        """As the driver reads it."""
        return json.dumps({"id": number, "module": self.module, "options": self.options,
                           "files": self.files, "check": self.check})  # fmt: skip


class OfOptions:
    """Hostile values of options, every option in turn."""

    def __init__(self, specs: Mapping[str, Any], root: str, made: Generator) -> None:
        self._made = made
        self._calls = {module: calls(module, root) for module in specs}
        if "look_ahead" in specs:
            self._calls["look_ahead"] += asked_ahead(self._calls)
        self._turns = itertools.cycle(
            [(module, *one) for module in specs for one in option_names(specs[module])]
        )
        self.names = {
            f"{module}.{name}" for module in specs for name, _ in option_names(specs[module])
        }

    def next(self) -> Value:
        """The next one."""
        module, name, spec = next(self._turns)
        random = self._made.random
        having = [call for call in self._calls[module] if name.partition(".")[0] in call]
        call = random.choice(having or self._calls[module] or [{}])
        value = self._made.value(self._start(call, name, spec))
        if random.random() < 0.1 and spec.get("choices"):
            value = random.choice(spec["choices"])
        options = merged(_neighbours(call, module, random), name, value)
        return Value(f"{module}.{name}", module, options, {}, random.random() < 0.3)

    def _start(self, call: Options, name: str, spec: Mapping[str, Any]) -> Any:
        found: Any = call
        for part in name.split("."):
            if isinstance(found, list) and found:
                found = found[0]
            found = found.get(part) if isinstance(found, dict) else None
        if found is not None:
            return found
        known = _IN_THE_PLACE_OF.get(name)
        if known is not None:
            return known
        default = spec.get("default")
        pool = [one[name] for one in itertools.chain(*self._calls.values()) if name in one]
        start = self._made.random.choice(pool) if pool else default
        kinds: dict[str, Any] = {
            "list": ["lab-upgrade"],
            "dict": {"a": "b"},
            "int": 1,
            "float": 0.5,
            "bool": True,
        }
        return kinds.get(str(spec.get("type")), "lab-upgrade") if start is None else start


def _neighbours(call: Options, module: str, random: Any) -> Options:
    """The call with secrets beside the value: none of them may be said."""
    if random.random() < 0.5:
        return call
    secret: dict[str, Options] = {
        "conda_env": {"channels": [world.SECRET_URL]},
        "conda_package": {"channels": [world.SECRET_URL]},
        "conda_installation": {"channels": [world.SECRET_URL]},
        "conda_pip": {"extra_index_urls": [f"https://ada:{world.TOKEN}@127.0.0.1:9/simple"]},
        "hub_model": {"token": world.TOKEN},
    }
    return {**secret.get(module, {}), **call}
