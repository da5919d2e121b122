"""A job that imports late, forks and starts workers until somebody tells it to end.

Writes one line of JSON for each round: where the interpreter and the modules of the process and of its
workers came from.
"""

import concurrent.futures
import importlib
import json
import multiprocessing
import os
import sys
import time

NAMES = [
    "asyncio", "calendar", "cmd", "colorsys", "configparser", "csv", "ctypes", "curses", "decimal",
    "difflib", "doctest", "email.mime.text", "fractions", "ftplib", "gettext", "http.server",
    "imaplib", "ipaddress", "lib2to3.pytree", "logging.config", "lzma", "mailbox", "netrc",
    "optparse", "pdb", "plistlib", "poplib", "pstats", "pydoc", "sched", "shelve", "smtplib",
    "sqlite3", "tarfile", "telnetlib", "timeit", "trace", "tracemalloc", "uuid",
    "unittest.mock", "wave", "wsgiref.simple_server", "xml.dom.minidom", "zipapp",
]  # fmt: skip


def places(name):
    """Where this process and its modules came from, after one more import."""
    importlib.import_module(name)
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted({os.path.realpath("/proc/self/exe"), *filter(None, files)})


def main():
    """Work until the file that is named first exists; the lines go into the second."""
    stop, lines = sys.argv[1:]
    names = NAMES * 1000
    with open(lines, "w") as stream:
        while not os.path.exists(stop):
            name = names.pop(0)
            # A fork of this process, and a fresh interpreter.
            with multiprocessing.get_context("fork").Pool(1) as pool:
                forked = pool.apply(places, (name,))
            context = multiprocessing.get_context("spawn")
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
                fresh = pool.submit(places, "six").result()
            found = {"name": name, "own": places(name), "forked": forked, "fresh": fresh}
            print(json.dumps(found), file=stream, flush=True)
            time.sleep(0.2)
        import six

        print(json.dumps({"end": six.__version__}), file=stream, flush=True)


if __name__ == "__main__":
    main()
