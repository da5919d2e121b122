"""Puts the lab's uv at /usr/local/bin: `uv_of_wheelhouse.py MIRROR`.

A wheel of uv is the program and little else.
"""

from __future__ import annotations

import io
import re
import sys
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urljoin

page = f"{sys.argv[1]}/simple/uv/"
with urllib.request.urlopen(page) as answer:
    (wheel,) = re.findall(r'href="([^"#]+\.whl)', answer.read().decode())
with urllib.request.urlopen(urljoin(page, wheel)) as answer:
    archive = zipfile.ZipFile(io.BytesIO(answer.read()))
(member,) = (name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
program = Path("/usr/local/bin/uv")
program.write_bytes(archive.read(member))
program.chmod(0o755)
