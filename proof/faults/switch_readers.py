"""Runs in a host: switches the link of an environment while programs start, and tells what they saw.

    python3 switch_readers.py LINK SWITCHES READERS

The two generations differ in the versions of Python and six. Prints JSON: by kind of start how many there
were, and what is wrong with each that failed or mixed two generations. Kind ``by its version`` starts the
interpreter by the name that no launcher has; it is counted and judged apart.
"""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
import threading

from ansible_collections.llmfleet.conda.plugins.module_utils._generations.switch import switch
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import Place

# Imports late and forks, then says where everything came from.
LOOK = """
import json, os, sys, time
def places():
    found = {os.path.realpath("/proc/self/exe")}
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None):
            found.add(module.__file__)
    return sorted(found)
time.sleep(0.02)
import decimal, json.tool, sqlite3, xml.dom.minidom
seen = places()
reading, writing = os.pipe()
if not os.fork():
    import ipaddress, six
    os.write(writing, json.dumps(places()).encode())
    os._exit(0)
os.close(writing)
with os.fdopen(reading) as stream:
    seen += json.loads(stream.read())
os.wait()
import six
print(json.dumps([sys.prefix, six.__version__, seen + places()]))
"""
SIX = {"1": "1.16.0", "2": "1.17.0"}


def kinds(link: str) -> dict[str, list[str]]:
    """The ways in which people start the Python of an environment by its name."""
    base = os.path.dirname(os.path.dirname(link))
    name = os.path.basename(link)
    activate = f". {base}/etc/profile.d/conda.sh && conda activate {name}"
    return {
        "launcher": [f"{link}/bin/python", "/srv/look.py"],
        "launcher python3": [f"{link}/bin/python3", "-I", "/srv/look.py"],
        "entry point": [f"{link}/bin/pip", "--version"],
        "activated shell": ["bash", "-c", f"{activate} && sleep 0.05 && python /srv/look.py"],
        "login shell": ["sh", "-c", f"{activate} && exec python3 /srv/look.py"],
        "by its version": [
            "sh",
            "-c",
            f"exec $(ls {link}/bin/python3.1[12] | head -n 1) /srv/look.py",
        ],
    }


def wrong(kind: str, done: subprocess.CompletedProcess[str], store: str) -> str:
    """What is wrong with a start; empty if nothing is."""
    if done.returncode:
        return (done.stdout + done.stderr).strip()[-300:]
    if kind == "entry point":
        place = done.stdout.split()[3]
        number = place[len(store) + 1 :].split("/")[0]
        version = {"1": "3.11", "2": "3.12"}[number]
        return (
            ""
            if f"/lib/python{version}/" in place and f"(python {version})" in done.stdout
            else done.stdout
        )
    prefix, six, seen = json.loads(done.stdout)
    if SIX.get(prefix[len(store) + 1 :]) != six:
        return f"{prefix} has six {six}"
    return ", ".join(
        path for path in seen if path.startswith(store) and not path.startswith(prefix + "/")
    )


def main() -> None:
    """Switch and start."""
    link, switches, readers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    place = Place(link)
    with open("/srv/look.py", "w") as stream:
        stream.write(LOOK)
    ways = kinds(link)
    order = list(ways)
    starts: collections.Counter[str] = collections.Counter()
    bad: dict[str, list[str]] = collections.defaultdict(list)
    met: dict[str, set[str]] = collections.defaultdict(set)
    lock, over = threading.Lock(), threading.Event()

    def work(number: int) -> None:
        count = number
        while not over.is_set():
            kind = order[count % len(order)]
            count += 1
            done = subprocess.run(ways[kind], capture_output=True, text=True)
            found = wrong(kind, done, place.store)
            with lock:
                starts[kind] += 1
                if found:
                    bad[kind].append(found)
                elif kind != "entry point":
                    met[kind].add(json.loads(done.stdout)[0])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(readers)]
    for thread in threads:
        thread.start()
    done = 0
    # As many switches as were asked for, and until each kind has met both generations.
    while done < switches or any(len(met[kind]) < 2 for kind in ways if kind != "entry point"):
        switch(place, 1 + done % 2)
        done += 1
        over.wait(0.05)
        if done > 20 * switches:
            break
    over.set()
    for thread in threads:
        thread.join()
    met_both = sorted(kind for kind in met if len(met[kind]) == 2)
    print(json.dumps({"switches": done, "starts": starts, "wrong": bad, "met_both": met_both}))


if __name__ == "__main__":
    main()
