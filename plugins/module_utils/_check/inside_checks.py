# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that run inside the environment's own interpreter (CPython >= 3.8).

Like ``inside``, that interpreter reads this text on stdin, so it is self-contained. Each check is a function
``options -> (passed, detail, measured)``. The detail is one sentence with the measured value and its bound;
an exception is a failure that the caller describes. The checks import libraries by name when they run,
because the import is part of the check.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import io
import math
import operator
import os
import random
import struct
import sys
import time
import zlib
from importlib import metadata
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:  # CPython 3.8 has no tuple[...]
    Outcome = tuple[bool, str, dict[str, Any]]

# The linear regression of the tutorials: y = 2 x1 - 3.4 x2 + 4.2 plus a little noise.
COEFFICIENTS = (2.0, -3.4)
INTERCEPT = 4.2
NOISE = 0.01
SAMPLES = 1000
SEED = 20260101

# Seconds within which one matrix product must be fast enough.
_PATIENCE = 10.0


def check_interpreter(options: dict[str, Any]) -> Outcome:
    """Check that the interpreter starts and that its prefix is ``options["prefix"]``."""
    version = ".".join(map(str, sys.version_info[:3]))
    measured = {
        "sys_version": sys.version,
        "python_version": version,
        "prefix": sys.prefix,
        "executable": sys.executable,
    }
    if os.path.realpath(sys.prefix) != os.path.realpath(options["prefix"]):
        return (
            False,
            f"Python {version} reports the prefix {sys.prefix}, expected {options['prefix']}.",
            measured,
        )
    return True, f"Python {version} starts from {sys.executable}.", measured


def _recorded_files(distribution: Any) -> list[str]:
    """The paths in the distribution's RECORD, including missing files.

    ``Distribution.files`` omits missing files from Python 3.12 on.
    """
    text = distribution.read_text("RECORD")
    if text is None:
        return [str(path) for path in distribution.files or ()]
    return [row[0] for row in csv.reader(text.splitlines()) if row]


def _top_level_modules(distribution: Any) -> list[str]:
    """Import names of a distribution, from ``top_level.txt`` or else from its RECORD."""
    text = distribution.read_text("top_level.txt")
    if text:
        names = text.split()
    else:
        names = []
        for path in _recorded_files(distribution):
            parts = path.split("/")
            if parts[0].endswith((".dist-info", ".egg-info", ".data")) or parts[0] in (
                "..",
                "__pycache__",
            ):
                continue
            name = parts[0].split(".")[0] if len(parts) == 1 else parts[0]
            if name not in names:
                names.append(name)
    return [name for name in names if name.isidentifier() and not name.startswith("_")]


def _find(name: str) -> tuple[str, Any]:
    """The import name and the distribution (or None) for ``name``, an import or distribution name."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        distribution = None
    if all(part.isidentifier() for part in name.split(".")):
        if name in sys.modules:
            return name, distribution
        try:
            if importlib.util.find_spec(name) is not None:
                return name, distribution
        except (ImportError, ValueError):
            # A parent package cannot be imported; the import reports why.
            return name, distribution
    if distribution is not None:
        modules = _top_level_modules(distribution)
        if modules:
            return modules[0], distribution
    return name, distribution


def _distribution_of(module: str) -> Any:
    """The distribution that provides the import name ``module`` (yaml: PyYAML), None if none does."""
    top = module.split(".")[0]
    for distribution in metadata.distributions():
        if top in _top_level_modules(distribution):
            return distribution
    return None


def _inside(path: str, prefix: str) -> bool:
    root = os.path.realpath(prefix).rstrip(os.sep) + os.sep
    return os.path.realpath(path).startswith(root)


def _lacking_code(module_name: str, path: str, distribution: Any) -> str | None:
    """The missing ``__init__.py`` of a package directory; None for a real namespace package.

    Python imports any directory as a namespace package, even the remains of a package whose files are gone.
    """
    if distribution is not None:
        first = f"{module_name.replace('.', '/')}/__init__.py"
        if first not in _recorded_files(distribution):
            return None
    return os.path.join(path, "__init__.py")


def check_import(options: dict[str, Any]) -> Outcome:
    """Import ``options["name"]`` (import or distribution name); report its version and path.

    The caller checks the version, because it implements PEP 440.
    """
    name = options["name"]
    module_name, distribution = _find(name)
    module = importlib.import_module(module_name)
    if distribution is None:
        distribution = _distribution_of(module_name)
    own_version = getattr(module, "__version__", None)
    version = distribution.version if distribution is not None else None
    path = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), None)
    measured = {
        "import": module_name,
        "version": version or (str(own_version) if isinstance(own_version, str) else None),
        "path": path,
    }
    if getattr(module, "__file__", None) is None and isinstance(path, str):
        lacking = _lacking_code(module_name, path, distribution)
        if lacking:
            measured["missing_file"] = lacking
            return False, f"{module_name} contains no code: {lacking} is missing.", measured
    detail = f"{name} {measured['version'] or 'without a version'} is imported"
    if version and isinstance(own_version, str) and own_version != version:
        measured["own_version"] = str(own_version)
        detail += f" (its __version__ is {own_version})"
    if module_name != name:
        detail += f" as {module_name}"
    if isinstance(path, str) and not _inside(path, options["prefix"]):
        measured["outside"] = True
        detail += f" from {path}, outside the environment"
    return True, detail + ".", measured


def _torch_devices(torch: Any) -> list[str]:
    """The devices that torch can use, the CPU first."""
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = getattr(getattr(torch, "backends", None), "mps", None)
    if mps is not None and mps.is_available():
        devices.append("mps")
    return devices


def _has_only_amd_driver() -> bool:
    """Whether the host has the device of AMD's compute driver (KFD) and none of NVIDIA's."""
    return os.path.exists("/dev/kfd") and not os.path.exists("/dev/nvidiactl")


def check_framework_torch(options: dict[str, Any]) -> Outcome:
    """Check that torch computes on the CPU and sees ``options["expected_gpus"]`` GPUs (None: any number)."""
    torch = importlib.import_module("torch")
    expected = options["expected_gpus"]
    gpus = [device for device in _torch_devices(torch) if device != "cpu"]
    build = getattr(torch.version, "cuda", None)
    rocm = getattr(torch.version, "hip", None)
    kind = f"CUDA {build}" if build else f"ROCm {rocm}" if rocm else "CPU"
    names = [
        torch.cuda.get_device_name(index) for index in range(len(gpus)) if gpus[index] != "mps"
    ]
    total = float((torch.arange(1, 101, dtype=torch.float64) ** 2).sum())
    measured = {"version": str(torch.__version__), "build": kind, "gpus": len(gpus), "names": names}
    if total != 338350.0:
        return (
            False,
            f"torch computes the sum of squares 1 to 100 as {total}, expected 338350.",
            measured,
        )
    asked = "any number is accepted" if expected is None else f"expected {expected}"
    detail = f"torch {torch.__version__} ({kind} build) sees {len(gpus)} GPUs, {asked}"
    if names:
        detail += f": {', '.join(names)}"
    passed = expected is None or len(gpus) == expected
    if not passed and expected and kind == "CPU" and not gpus:
        detail += "; a CPU build never sees a GPU"
    elif not passed and build and not gpus and _has_only_amd_driver():
        detail += "; a CUDA build never sees an AMD GPU"
    return passed, detail + ".", measured


def _times(rows: list[list[float]], vector: list[float]) -> list[float]:
    """A matrix times a vector in plain Python, each sum correctly rounded."""
    return [math.fsum(map(operator.mul, row, vector)) for row in rows]


def _best_rate(operations: float, call: Callable[[], None], floor: float) -> float:
    """Billions of operations per second: the best of several calls within about a second.

    On a busy host, threads that wait for each other make single calls many times slower. So a rate below the
    floor is measured for up to ten seconds.
    """
    begun = time.perf_counter()
    best, calls = math.inf, 0
    while True:
        started = time.perf_counter()
        call()
        now = time.perf_counter()
        calls += 1
        best = min(best, now - started)
        rate = operations / max(best, 1e-9) / 1e9
        enough = calls >= 5 or now - begun > 1.0
        if (enough and rate >= floor) or now - begun > _PATIENCE:
            return rate


def _worst(errors: list[float]) -> float:
    """The largest error, or NaN if any error is NaN, which ``max`` could hide."""
    return math.nan if any(math.isnan(error) for error in errors) else max(errors)


def _matmul_error(
    left: list[list[float]],
    right: list[list[float]],
    double: list[list[float]],
    products: list[list[float]],
) -> float:
    """The largest error of a product, relative to its largest entry.

    ``double`` is the product in float64 by the same library. Freivalds' test (R. Freivalds, 1977) in plain
    Python verifies it: ``double @ x`` must equal ``left @ (right @ x)`` for a random vector of signs, and an
    error in a single entry appears there undiminished.
    """
    generator = random.Random(SEED)
    signs = [generator.choice((-1.0, 1.0)) for _column in right[0]]
    exact, claimed = _times(left, _times(right, signs)), _times(double, signs)
    errors = [abs(got - want) for got, want in zip(claimed, exact)]
    for row, wanted in zip(products, double):
        errors.append(_worst([abs(got - want) for got, want in zip(row, wanted)]))
    scale = max(abs(value) for row in double for value in row)
    return _worst(errors) / scale if scale > 0 else math.nan


def _judge_matmul(
    where: str, size: int, error: float, rate: float, tolerance: float, floor: float
) -> tuple[bool, str]:
    # NaN compares false, so it fails.
    passed = error <= tolerance and rate >= floor
    return passed, (
        f"{where}: float32 product of {size}x{size} matrices, relative error {error:.1e} "
        f"(at most {tolerance:.0e}), {rate:.1f} GFLOP/s (at least {floor:g})"
    )


def check_matmul_numpy(options: dict[str, Any]) -> Outcome:
    """Check numpy's float32 matrix product against its float64 product, and its speed against a floor."""
    numpy = importlib.import_module("numpy")
    size = options["size"]
    generator = numpy.random.RandomState(SEED % 2**32)
    left, right = (
        generator.uniform(-1.0, 1.0, (size, size)).astype(numpy.float32) for _side in range(2)
    )
    product = left @ right
    double = left.astype(numpy.float64) @ right.astype(numpy.float64)
    error = _matmul_error(left.tolist(), right.tolist(), double.tolist(), product.tolist())
    floor = options["min_cpu_gflops"]
    rate = _best_rate(2.0 * size**3, lambda: numpy.matmul(left, right), floor)
    passed, detail = _judge_matmul(
        "numpy", size, error, rate, options["tolerance"], options["min_cpu_gflops"]
    )
    return passed, detail + ".", {"relative_error": error, "gflops": rate}


def check_matmul_torch(options: dict[str, Any]) -> Outcome:
    """Check torch's float32 matrix product on every device, against float64 and speed floors."""
    torch = importlib.import_module("torch")
    size = options["size"]
    generator = torch.Generator().manual_seed(SEED)
    left, right = (torch.rand(size, size, generator=generator) * 2 - 1 for _side in range(2))
    double = torch.matmul(left.double(), right.double()).tolist()
    rows = left.tolist(), right.tolist()
    passed, sentences, measured = True, [], {}
    for device in _torch_devices(torch):
        on_cpu = device == "cpu"
        here_left, here_right = left.to(device), right.to(device)
        rounds = 1 if on_cpu else 20

        def synchronize(device: str = device) -> None:
            if device.startswith("cuda"):
                torch.cuda.synchronize(device)
            elif device == "mps":
                torch.mps.synchronize()

        def call(
            a: Any = here_left, b: Any = here_right, rounds: int = rounds, wait: Any = synchronize
        ) -> None:
            for _round in range(rounds):
                torch.matmul(a, b)
            wait()

        product = torch.matmul(here_left, here_right).to("cpu")
        error = _matmul_error(*rows, double, product.tolist())
        floor = options["min_cpu_gflops"] if on_cpu else options["min_gpu_gflops"]
        rate = _best_rate(2.0 * size**3 * rounds, call, floor)
        good, sentence = _judge_matmul(
            f"torch on {device}", size, error, rate, options["tolerance"], floor
        )
        passed = passed and good
        sentences.append(sentence)
        measured[device] = {"relative_error": error, "gflops": rate}
    return passed, "; ".join(sentences) + ".", {"devices": measured}


def _regression_data() -> tuple[list[list[float]], list[float]]:
    generator = random.Random(SEED)
    features = [
        [generator.gauss(0.0, 1.0) for _feature in COEFFICIENTS] for _sample in range(SAMPLES)
    ]
    targets = [
        math.fsum(w * x for w, x in zip(COEFFICIENTS, row))
        + INTERCEPT
        + generator.gauss(0.0, NOISE)
        for row in features
    ]
    return features, targets


def _judge_regression(
    means: str, coefficients: list[float], intercept: float, tolerance: float
) -> Outcome:
    pairs = zip([*coefficients, intercept], [*COEFFICIENTS, INTERCEPT])
    errors = [abs(got - wanted) for got, wanted in pairs]
    # NaN compares false with everything; max() could hide it.
    passed = len(coefficients) == len(COEFFICIENTS) and all(error <= tolerance for error in errors)
    shown = ", ".join(f"{value:.4f}" for value in coefficients)
    wanted = ", ".join(f"{value:g}" for value in COEFFICIENTS)
    detail = (
        f"{means} recovers coefficients [{shown}] and intercept {intercept:.4f}, expected "
        f"[{wanted}] and {INTERCEPT:g} within {tolerance:g}."
    )
    measured = {"coefficients": coefficients, "intercept": intercept}
    return passed, detail, measured


def check_regression_numpy(options: dict[str, Any]) -> Outcome:
    """Check that numpy's least squares (LAPACK) recovers the coefficients from noisy points."""
    numpy = importlib.import_module("numpy")
    features, targets = _regression_data()
    table = numpy.array([[*row, 1.0] for row in features], dtype=numpy.float64)
    solution = numpy.linalg.lstsq(table, numpy.array(targets, dtype=numpy.float64), rcond=None)[0]
    values = [float(value) for value in solution]
    return _judge_regression("numpy's lstsq", values[:-1], values[-1], options["tolerance"])


def check_regression_torch(options: dict[str, Any]) -> Outcome:
    """Check that three epochs of minibatch SGD on torch's last device recover the coefficients."""
    torch = importlib.import_module("torch")
    device = _torch_devices(torch)[-1]
    features, targets = _regression_data()
    x = torch.tensor(features, dtype=torch.float32, device=device)
    y = torch.tensor(targets, dtype=torch.float32, device=device).reshape(-1, 1)
    model = torch.nn.Linear(len(COEFFICIENTS), 1).to(device)
    with torch.no_grad():
        # Fixed initial weights make the result repeatable without seeding the global generator.
        model.weight.fill_(0.0)
        model.bias.fill_(0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
    batch = 10
    for _epoch in range(3):
        for start in range(0, SAMPLES, batch):
            optimizer.zero_grad()
            loss = ((model(x[start : start + batch]) - y[start : start + batch]) ** 2).mean()
            loss.backward()
            optimizer.step()
    coefficients = [float(value) for value in model.weight.detach().cpu().reshape(-1).tolist()]
    intercept = float(model.bias.detach().cpu().reshape(-1).tolist()[0])
    return _judge_regression(
        f"torch's SGD on {device}", coefficients, intercept, options["tolerance"]
    )


def check_sentiment(options: dict[str, Any]) -> Outcome:
    """Check that the sentiment pipeline of transformers gives ``options["text"]`` the expected label."""
    transformers = importlib.import_module("transformers")
    if options["local"] and not os.path.isdir(options["model"]):
        return False, f"There is no model: {options['model']} is not a directory.", {}
    try:
        classify = transformers.pipeline("sentiment-analysis", model=options["model"])
    except Exception as error:
        place = "" if options["local"] else f" from the cache {os.environ.get('HF_HUB_CACHE')}"
        raise RuntimeError(f"The model {options['model']} cannot be loaded{place}") from error
    answers = classify(options["text"])
    if not (isinstance(answers, list) and answers and {"label", "score"} <= set(answers[0])):
        return False, f"The pipeline answers {answers!r}, expected a list with label and score.", {}
    label, score = str(answers[0]["label"]), float(answers[0]["score"])
    wanted, floor = options["expect_label"], options["min_score"]
    passed = floor <= score <= 1.0 and (not wanted or label == wanted)
    detail = (
        f'"{options["text"]}" is {label} with score {score:.4f}, expected '
        f"{wanted or 'any label'} with at least {floor:g}."
    )
    return passed, detail, {"label": label, "score": score, "text": options["text"]}


def _png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG; checks its chunks, checksums and pixel data.

    :raises ValueError: a signature, a chunk or the amount of pixel data is not as the PNG
        specification (ISO/IEC 15948) says.
    """
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"no PNG signature, it starts with {data[:8]!r}")
    at, chunks, header, pixels = 8, [], b"", b""
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        checksum = data[at + 8 + length : at + 12 + length]
        if checksum != struct.pack(">I", zlib.crc32(kind + body)):
            raise ValueError(f"chunk {kind!r} is truncated or has a wrong checksum")
        chunks.append(kind)
        header = body if kind == b"IHDR" else header
        pixels += body if kind == b"IDAT" else b""
        at += 12 + length
    if not chunks or chunks[0] != b"IHDR" or chunks[-1] != b"IEND":
        raise ValueError(f"its chunks are {chunks!r}")
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    expected = height * (1 + (width * depth * channels + 7) // 8)
    if len(zlib.decompress(pixels)) != expected:
        raise ValueError(f"its pixel data is not that of {width}x{height} pixels")
    return width, height


def check_plot(options: dict[str, Any]) -> Outcome:
    """Check that matplotlib's Agg backend draws a line into a complete PNG that is not blank."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    figure_module = importlib.import_module("matplotlib.figure")
    agg = importlib.import_module("matplotlib.backends.backend_agg")
    figure = figure_module.Figure(figsize=(2.0, 1.5), dpi=100)
    canvas = agg.FigureCanvasAgg(figure)
    axes = figure.add_subplot(1, 1, 1)
    axes.plot([0, 1, 2, 3], [0, 1, 4, 9], color="red")
    axes.set_title("llm_check")
    stream = io.BytesIO()
    canvas.print_png(stream)
    data = stream.getvalue()
    pixels = bytes(canvas.buffer_rgba())
    colours = len({pixels[at : at + 4] for at in range(0, len(pixels), 4)})
    measured: dict[str, Any] = {"bytes": len(data), "colours": colours}
    try:
        width, height = _png_size(data)
    except (ValueError, KeyError, struct.error, zlib.error) as error:
        return (
            False,
            f"matplotlib wrote {len(data)} bytes that are not a complete PNG: {error}.",
            measured,
        )
    measured["size"] = [width, height]
    passed = (width, height) == (200, 150) and colours >= options["min_colours"]
    detail = (
        f"matplotlib draws a PNG of {width}x{height} pixels (expected 200x150) with {colours} "
        f"colours (at least {options['min_colours']}), {len(data)} bytes."
    )
    return passed, detail, measured


def check_loaded(options: dict[str, Any]) -> Outcome:
    """Not a check: the files that the checks before it have loaded, and the directories of ``sys.path``."""
    found = {os.path.abspath(path) for path in sys.path if path}
    for module in list(sys.modules.values()):
        # Asking a lazy module for an attribute could import more; its namespace does not.
        space = getattr(module, "__dict__", None)
        for name in ("__file__", "__cached__"):
            path = space.get(name) if isinstance(space, dict) else None
            if isinstance(path, str) and os.path.isabs(path):
                found.add(path)
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as stream:
            # Address, permissions, offset, device, inode, path.
            mapped = [line.rstrip("\n").split(None, 5)[5:] for line in stream]
    except OSError:
        mapped = []
    found.update(path[0] for path in mapped if path and path[0].startswith("/"))
    # The caches of this run, devices, and memory without a file.
    others = (os.environ["TMPDIR"] + "/", "/dev/", "/proc/", "/memfd:", "/SYSV")
    files = [path for path in found if not path.startswith(others) and " (deleted)" not in path]
    return True, "", {"files": sorted(files)}
