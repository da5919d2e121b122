"""Makes a host look as if it had an A100, and a PyTorch index for it: `gpu_host.py BUILD`.

Both are stand-ins. nvidia-smi only says what the role asks. The index for CUDA 12.6 has one wheel named
torch of the given build, `cpu` or `cu126`, with nothing in it but its version.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path
from urllib.parse import quote

VERSION = f"2.14.0+{sys.argv[1]}"
INDEX = Path("/srv/torch-index/cu126/torch")
INFO = f"torch-{VERSION}.dist-info"
CONTENT = {
    "torch/__init__.py": f'__version__ = "{VERSION}"\n',
    f"{INFO}/METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {VERSION}\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}

INDEX.mkdir(parents=True)
wheel = INDEX / f"torch-{VERSION}-py3-none-any.whl"
with zipfile.ZipFile(wheel, "w") as archive:
    for name, text in CONTENT.items():
        archive.writestr(name, text)
    rows = [*CONTENT, f"{INFO}/RECORD"]
    archive.writestr(f"{INFO}/RECORD", "".join(f"{row},,\n" for row in rows))
digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
(INDEX / "index.html").write_text(
    f'<!DOCTYPE html><a href="{quote(wheel.name)}#sha256={digest}">{wheel.name}</a>\n'
)

smi = Path("/usr/local/bin/nvidia-smi")
smi.write_text("#!/bin/sh\necho 'NVIDIA A100-SXM4-80GB, GPU-0, 535.183.01, 81920, 8.0'\n")
smi.chmod(0o755)
