"""The lab's command line: ``python -m lab build | serve | status | path | clean``."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence

from lab import build, paths
from lab.errors import LabError


def _progress(line: str) -> None:
    print(line, flush=True)


def _build(options: argparse.Namespace) -> int:
    started = time.monotonic()
    built = build.build(options.part, _progress)
    what = ", ".join(built) if built else "nothing to do"
    _progress(f"lab: {what} ({time.monotonic() - started:.1f} s), in {paths.cache_dir()}")
    return 0


def _status(options: argparse.Namespace) -> int:
    stale = 0
    for name in options.part or build.PARTS:
        current = build.load(name).is_current()
        stale += not current
        print(f"{name:17}{'current' if current else 'to be built'}")
    return 1 if stale else 0


def _path(options: argparse.Namespace) -> int:
    if options.name == "installer":
        from lab import installer

        print(installer.current()["path"])
    else:
        print(paths.NAMES[options.name]())
    return 0


def _serve(options: argparse.Namespace) -> int:
    from lab import mirror

    paths.site_dir().mkdir(parents=True, exist_ok=True)
    mirror.serve(options.host, options.port, options.ready_file)
    return 0


def _clean(options: argparse.Namespace) -> int:
    del options
    if paths.cache_dir().exists():
        shutil.rmtree(paths.cache_dir())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="build what is not current")
    command.add_argument("part", nargs="*", help=f"one of: {', '.join(build.PARTS)}")
    command.set_defaults(run=_build)
    command = commands.add_parser("status", help="say what is current; exit 1 if anything is not")
    command.add_argument("part", nargs="*", help=f"one of: {', '.join(build.PARTS)}")
    command.set_defaults(run=_status)
    command = commands.add_parser("path", help="print where something lies")
    command.add_argument("name", choices=["installer", *paths.NAMES])
    command.set_defaults(run=_path)
    command = commands.add_parser("serve", help="serve the lab over HTTP until interrupted")
    command.add_argument("--host", default="127.0.0.1")
    command.add_argument("--port", type=int, default=0, help="0 takes a free one")
    command.add_argument("--ready-file", help="written with the base URL once it answers")
    command.set_defaults(run=_serve)
    command = commands.add_parser("clean", help="remove the lab's cache")
    command.set_defaults(run=_clean)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status; a ``LabError`` is one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(
            f"lab: {sys.executable} has no {error.name}: pip install -r requirements/lab.txt",
            file=sys.stderr,
        )
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
