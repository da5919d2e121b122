"""Fixtures over the lab's real parts: a mirror, an installed conda, and modules run as processes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import installer as lab_installer
from lab import paths
from lab.build import build
from lab.mirror import Mirror
from lab.model import path as lab_model

pytest.register_assert_rewrite("tests.integration.four_steps", "tests.integration.contract")

from ansible_collections.llmfleet.conda.plugins.plugin_utils._published_installers import rows_for  # noqa: E402
from tests.integration import published  # noqa: E402
from tests.integration.contract import Contract  # noqa: E402
from tests.integration.examples import Examples, play  # noqa: E402
from tests.integration.four_steps import Steps  # noqa: E402
from tests.integration.hub_server import Hub, tiny  # noqa: E402
from tests.integration.lab_conda import run_conda  # noqa: E402
from tests.integration.served import ModuleServer  # noqa: E402
from tests.integration.target import TARGET_PYTHON, module_environment  # noqa: E402

RunModule = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def lab_parts() -> None:
    """The lab is built; on a second run that takes a moment."""
    build(["installer", "wheelhouse", "model"], print)


@pytest.fixture(scope="session")
def mirror(lab_parts: None) -> Iterator[Mirror]:
    """The lab's mirror on loopback."""
    with Mirror(paths.site_dir()) as running:
        yield running


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory for the modules and their children, so that nothing outside is written."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def module_servers(home: Path) -> Iterator[Callable[[str], ModuleServer]]:
    """The server of modules for an interpreter."""
    servers: dict[str, ModuleServer] = {}
    # A short path, which pytest's directories are not.
    with tempfile.TemporaryDirectory(prefix="llmfleet-") as directory:

        def server(python: str) -> ModuleServer:
            if python not in servers:
                place = Path(directory) / str(len(servers))
                place.mkdir()
                servers[python] = ModuleServer(python, place, home)
            return servers[python]

        yield server
        for one in servers.values():
            one.close()


@pytest.fixture(scope="session")
def run_module(home: Path, module_servers: Callable[[str], ModuleServer]) -> RunModule:
    """Run a module in a process of its own; returns its JSON result with ``rc`` added.

    Args:
        name: ``conda_env`` and so on.
        options: the module's options; those with the value None are left out.
        check: check mode.
        environment: variables on top of a clean environment.
        user: run as this user id, as root only.
        python: another interpreter than the target's.
        warns: a warning is expected; without it, one is a failure of the test.
    """

    def run(
        name: str,
        options: dict[str, Any],
        *,
        check: bool = False,
        environment: dict[str, str] | None = None,
        user: int | None = None,
        python: str = TARGET_PYTHON,
        warns: bool = False,
    ) -> dict[str, Any]:
        arguments = {key: value for key, value in options.items() if value is not None}
        if name == "conda_installation" and arguments.get("state") != "absent":
            # As its action plugin does on the controller.
            arguments.setdefault("catalogue", rows_for(arguments))
        arguments.update({"_ansible_check_mode": check, "_ansible_diff": True})
        variables = {**module_environment(home), **(environment or {})}
        done = module_servers(python).run(name, arguments, variables, user=user)
        try:
            result: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            pytest.fail(f"{name} printed no JSON.\nstdout: {done.stdout}\nstderr: {done.stderr}")
        assert ("warnings" in result) is warns, result.get("warnings") or result.get("msg", result)
        if warns:
            # A module that is asked for plain JSON hands out its warnings as records.
            events = [warning["event"] for warning in result["warnings"]]
            result["warnings"] = [event["msg"] for event in events]
        assert "Traceback" not in done.stderr, done.stderr
        return {**result, "rc": done.rc}

    return run


def install_options(mirror: Mirror, prefix: Path) -> dict[str, Any]:
    """Options of ``conda_installation`` for the lab's installer at ``prefix``."""
    current = lab_installer.current()
    return {
        "prefix": str(prefix),
        "version": current["version"],
        "installer_url": f"{mirror.url}/installers/{current['filename']}",
        "checksum": f"sha256:{current['sha256']}",
    }


@pytest.fixture(scope="session")
def installer_options(mirror: Mirror) -> Callable[..., dict[str, Any]]:
    """Options of ``conda_installation`` for the lab's installer; keywords are laid on top."""

    def options(prefix: Path, **more: Any) -> dict[str, Any]:
        return {**install_options(mirror, prefix), **more}

    return options


@pytest.fixture(scope="session")
def conda_installation(
    mirror: Mirror, run_module: RunModule, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The lab's conda, installed by our own module, with the lab's channel in its condarc."""
    prefix = tmp_path_factory.mktemp("conda") / "base"
    result = run_module("conda_installation", install_options(mirror, prefix))
    assert result["changed"], result
    settings = {
        "channel_alias": f"{mirror.url}/conda",
        "channels": ["lab"],
        # conda tries again at once where it would wait up to 30 seconds for a mirror to come back.
        "remote_backoff_factor": 0,
    }
    result = run_module(
        "conda_config",
        {"scope": "prefix", "installation": str(prefix), "settings": settings},
    )
    assert result["changed"], result
    return prefix


@pytest.fixture
def make_env(conda_installation: Path, run_module: RunModule) -> Iterator[Callable[..., Path]]:
    """Create a throw-away environment from specs; returns its prefix."""
    made: list[Path] = []

    def make(*specs: str) -> Path:
        prefix = conda_installation / "envs" / f"test{len(made)}-{os.getpid()}"
        made.append(prefix)
        options = {
            "installation": str(conda_installation),
            "prefix": str(prefix),
            "packages": list(specs),
        }
        result = run_module("conda_env", options)
        assert result["changed"], result
        return prefix

    yield make
    for prefix in made:
        options = {
            "installation": str(conda_installation),
            "prefix": str(prefix),
            "state": "absent",
            "remove_foreign": True,
        }
        run_module("conda_env", options)


@pytest.fixture(scope="session")
def conda(conda_installation: Path, home: Path) -> Callable[..., Any]:
    """The real conda as an oracle: runs ``conda ARGUMENTS --json`` and returns the document."""

    def run(*arguments: str) -> Any:
        return run_conda(conda_installation, home, *arguments, "--json")

    return run


@pytest.fixture(scope="session")
def versions(conda: Callable[..., Any]) -> Callable[[Path], dict[str, str]]:
    """What the real conda lists in a prefix: versions by package name."""

    def read(prefix: Path) -> dict[str, str]:
        return {item["name"]: item["version"] for item in conda("list", "--prefix", str(prefix))}

    return read


@pytest.fixture
def four_steps(run_module: RunModule, conda_installation: Path, home: Path) -> Steps:
    """Check, run, check again, run again, with the shared installation and home under watch."""
    return Steps(run_module, (conda_installation, home), conda_installation)


@pytest.fixture(scope="session")
def published_site(lab_parts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A mirror that has the lab's installer under the names of published ones."""
    with Mirror(published.make_site(tmp_path_factory.mktemp("published") / "site")) as running:
        yield running


@pytest.fixture(scope="session")
def model_hub(lab_parts: None) -> Iterator[Hub]:
    """A hub with the lab's model, which no test changes."""
    with Hub(tiny(lab_model())) as running:
        yield running


@pytest.fixture(scope="module")
def contract(
    run_module: RunModule,
    conda_installation: Path,
    home: Path,
    tmp_path_factory: pytest.TempPathFactory,
    mirror: Mirror,
    published_site: Mirror,
    model_hub: Hub,
) -> Contract:
    """A place to run the rows of the table of check mode in."""
    directory = tmp_path_factory.mktemp("contract")
    sites = {"mirror": mirror.url, "published": published_site.url, "hub": model_hub.url}
    return Contract(run_module, conda_installation, home, directory, sites)


@pytest.fixture(scope="module")
def examples_installation(conda_installation: Path) -> Iterator[Path]:
    """The shared installation; environments that examples make in it go when all examples have run."""
    own = {path.name for path in (conda_installation / "envs").iterdir()}
    yield conda_installation
    for path in (conda_installation / "envs").iterdir():
        if path.name not in own:
            shutil.rmtree(path)


@pytest.fixture
def examples_of(
    examples_installation: Path,
    mirror: Mirror,
    published_site: Mirror,
    model_hub: Hub,
    tmp_path: Path,
) -> Callable[[str], None]:
    """Run the examples of a module, with the places of the lab in them."""
    current = lab_installer.current()
    wheel = paths.wheels_dir() / "defusedxml-0.7.1-py2.py3-none-any.whl"
    words = {
        "base": str(examples_installation),
        "place": str(tmp_path),
        "mirror": mirror.url,
        "published": published_site.url,
        "hub": model_hub.url,
        "hub_commit": model_hub.branches["main"],
        "published_files": str(published_site.root),
        "miniconda": published.MINICONDA,
        "miniforge": published.MINIFORGE,
        "checksum": f"sha256:{current['sha256']}",
        "models": str(paths.models_dir()),
        "wheels": str(paths.wheels_dir()),
        "wheel_sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "uid": str(os.getuid()),
        "gid": str(os.getgid()),
    }

    def run(module: str) -> None:
        examples = Examples(module, words)
        home = tmp_path / "home"
        home.mkdir()
        results, text = play(examples, tmp_path, home)
        problems = [*examples.problems(results)]
        if "[WARNING]" in text or "[DEPRECATION" in text:
            problems.append("ansible-playbook warned")
        print(text)
        assert not problems, "\n".join(problems)

    return run


@pytest.fixture(autouse=True)
def _well_behaved_mirror(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test leaves a fault of the mirror to the next one."""
    yield
    if "mirror" in request.fixturenames:
        request.getfixturevalue("mirror").clear_faults()
