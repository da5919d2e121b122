"""Checks of framework, kernel and workload with correct and with broken libraries."""

from __future__ import annotations

import math
import struct
import sys
import zlib
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._check import inside_checks as checks
from ansible_collections.llmfleet.conda.tests.unit.plugins.module_utils._check import fakes

MATMUL = {"size": 16, "tolerance": 1e-4, "min_cpu_gflops": 0.0, "min_gpu_gflops": 0.0}
REGRESSION = {"tolerance": 0.02}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts stand-ins where imports find them."""

    def put(**modules: Any) -> None:
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name.replace("__", "."), module)

    return put


# -- framework


@pytest.mark.parametrize(
    ("gpus", "expected", "passed"),
    [(0, None, True), (2, None, True), (0, 0, True), (2, 2, True), (1, 2, False), (1, 0, False)],
)
def test_gpus(library: Any, gpus: int, expected: int | None, passed: bool) -> None:
    library(torch=fakes.torch(gpus=gpus, cuda="13.2"))
    got, detail, measured = checks.check_framework_torch({"expected_gpus": expected})
    assert got is passed
    assert f"sees {gpus} GPUs" in detail
    assert measured["gpus"] == gpus
    assert measured["names"] == [f"Card {index}" for index in range(gpus)]
    if expected is not None:
        assert f"expected {expected}" in detail


def test_a_cpu_build_on_a_gpu_host_is_reported(library: Any) -> None:
    library(torch=fakes.torch())
    passed, detail, _ = checks.check_framework_torch({"expected_gpus": 8})
    assert not passed
    assert "CPU build" in detail
    assert "a CPU build never sees a GPU" in detail


@pytest.mark.parametrize(
    ("devices", "said"),
    [(["/dev/kfd"], True), (["/dev/kfd", "/dev/nvidiactl"], False), ([], False)],
)
def test_a_cuda_build_on_an_amd_host_is_reported(
    devices: list[str], said: bool, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/kfd is the device of AMD's driver, /dev/nvidiactl that of NVIDIA's."""
    monkeypatch.setattr(checks.os.path, "exists", devices.__contains__)
    library(torch=fakes.torch(cuda="13.2"))
    passed, detail, _ = checks.check_framework_torch({"expected_gpus": 8})
    assert not passed
    assert ("a CUDA build never sees an AMD GPU" in detail) == said


def test_a_torch_that_computes_a_wrong_sum(library: Any) -> None:
    library(torch=fakes.torch(squares=1.0))
    passed, detail, _ = checks.check_framework_torch({"expected_gpus": None})
    assert not passed
    assert "1.0" in detail


# -- kernel


def test_a_right_kernel_passes(library: Any) -> None:
    library(numpy=fakes.numpy(), torch=fakes.torch())
    for check in (checks.check_matmul_numpy, checks.check_matmul_torch):
        passed, detail, _ = check(MATMUL)
        assert passed, detail
        assert "16x16" in detail


@pytest.mark.parametrize(
    "spoil",
    [
        fakes.wrong_corner,
        fakes.not_a_number,
        fakes.only_float32(fakes.wrong_corner),
        fakes.only_float32(fakes.not_a_number),
        lambda rows, left: [[value * 1.001 for value in row] for row in rows],
    ],
    ids=["corner", "nan", "float32 corner", "float32 nan", "all a little"],
)
def test_a_wrong_kernel_fails(library: Any, spoil: fakes.Spoil) -> None:
    library(numpy=fakes.numpy(spoil), torch=fakes.torch(spoil=spoil))
    for check in (checks.check_matmul_numpy, checks.check_matmul_torch):
        passed, detail, _ = check(MATMUL)
        assert not passed, detail
        assert "at most 1e-04" in detail


def test_a_slow_kernel_fails(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_PATIENCE", 0.1)
    library(numpy=fakes.numpy(), torch=fakes.torch())
    bounds = {**MATMUL, "min_cpu_gflops": 1e6}
    for check in (checks.check_matmul_numpy, checks.check_matmul_torch):
        passed, detail, _ = check(bounds)
        assert not passed
        assert "at least 1e+06" in detail


def test_every_gpu_is_tried(library: Any) -> None:
    bad = fakes.only_on("cuda:1", fakes.wrong_corner)
    library(torch=fakes.torch(gpus=2, cuda="13.2", spoil=bad))
    passed, detail, measured = checks.check_matmul_torch(MATMUL)
    assert not passed
    errors = {name: entry["relative_error"] for name, entry in measured["devices"].items()}
    assert list(errors) == ["cpu", "cuda:0", "cuda:1"]
    assert errors["cuda:0"] < 1e-4 < errors["cuda:1"]
    assert "torch on cuda:1" in detail


def test_a_busy_host_gets_more_time_for_the_speed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, *(value for n in range(100) for value in (n, n + 0.9))])
    monkeypatch.setattr(checks.time, "perf_counter", lambda: next(clock))
    assert checks._best_rate(0.9e9, lambda: None, 0.5) == pytest.approx(1.0)
    spent = next(clock)
    assert spent == 2
    assert checks._best_rate(0.9e9, lambda: None, 5.0) == pytest.approx(1.0)
    assert next(clock) - spent > checks._PATIENCE


def test_gpus_have_a_floor_of_their_own(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_PATIENCE", 0.1)
    library(torch=fakes.torch(gpus=1, cuda="13.2"))
    passed, detail, _ = checks.check_matmul_torch({**MATMUL, "min_gpu_gflops": 1e6})
    assert not passed
    assert "at least 1e+06" in detail
    assert checks.check_matmul_torch(MATMUL)[0]


def test_an_error_of_one_entry_shows_undiminished() -> None:
    left, right = [[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]
    good = [[19.0, 22.0], [43.0, 50.0]]
    assert checks._matmul_error(left, right, good, good) == 0.0
    bad = [[19.0, 22.0], [43.0, 51.0]]
    assert checks._matmul_error(left, right, good, bad) == 1.0 / 50.0
    assert checks._matmul_error(left, right, bad, bad) == 1.0 / 51.0
    nothing = [[0.0, 0.0], [0.0, 0.0]]
    assert math.isnan(checks._matmul_error(left, right, nothing, nothing))


def test_nan_is_the_worst_error() -> None:
    assert math.isnan(checks._worst([1.0, math.nan, 2.0]))
    assert checks._worst([1.0, 3.0, 2.0]) == 3.0


# -- regression


def test_the_data_hold_the_line() -> None:
    features, targets = checks._regression_data()
    assert len(features) == len(targets) == checks.SAMPLES
    residuals = [y - 2.0 * x[0] + 3.4 * x[1] - 4.2 for x, y in zip(features, targets)]
    assert abs(sum(residuals) / len(residuals)) < 0.002
    assert 0.009 < math.sqrt(sum(r * r for r in residuals) / len(residuals)) < 0.011


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        ((2.0, -3.4, 4.2), True),
        ((2.019, -3.381, 4.181), True),
        ((2.021, -3.4, 4.2), False),
        ((2.0, -3.3, 4.2), False),
        ((2.0, -3.4, 4.3), False),
        ((0.0, 0.0, 0.0), False),
        ((math.nan, -3.4, 4.2), False),
        ((2.0, -3.4, math.inf), False),
    ],
)
def test_regressions(library: Any, found: tuple[float, float, float], passed: bool) -> None:
    library(numpy=fakes.numpy(solution=list(found)), torch=fakes.torch(learned=found))
    for check in (checks.check_regression_numpy, checks.check_regression_torch):
        got, detail, measured = check(REGRESSION)
        assert got is passed, detail
        assert "[2, -3.4] and 4.2 within 0.02" in detail
        assert f"{found[2]:.4f}" in detail
        assert str(measured["coefficients"]) == str(list(found[:2]))


def test_too_few_coefficients_fail(library: Any) -> None:
    library(numpy=fakes.numpy(solution=[2.0, 4.2]))
    assert not checks.check_regression_numpy(REGRESSION)[0]


# -- sentiment

SENTIMENT = {
    "model": "owner/model",
    "local": False,
    "text": "This is a great movie!",
    "expect_label": "POSITIVE",
    "min_score": 0.5,
}


def transformers(answer: Any) -> Any:
    def pipeline(task: str, model: str) -> Any:
        assert (task, model) == ("sentiment-analysis", "owner/model")
        return lambda text: answer

    return SimpleNamespace(pipeline=pipeline)


@pytest.mark.parametrize(
    ("answer", "options", "passed"),
    [
        ([{"label": "POSITIVE", "score": 0.99}], {}, True),
        ([{"label": "NEGATIVE", "score": 0.99}], {}, False),
        ([{"label": "NEGATIVE", "score": 0.99}], {"expect_label": ""}, True),
        ([{"label": "NEGATIVE", "score": 0.99}], {"expect_label": "NEGATIVE"}, True),
        ([{"label": "POSITIVE", "score": 0.6}], {"min_score": 0.7}, False),
        ([{"label": "POSITIVE", "score": math.nan}], {}, False),
        ([{"label": "POSITIVE", "score": 1.5}], {}, False),
        ([], {}, False),
        ([{"token": 3}], {}, False),
        ({"label": "POSITIVE", "score": 0.9}, {}, False),
    ],
)
def test_sentiment(library: Any, answer: Any, options: dict[str, Any], passed: bool) -> None:
    library(transformers=transformers(answer))
    got, detail, measured = checks.check_sentiment({**SENTIMENT, **options})
    assert got is passed, detail
    if measured:
        assert measured["label"] in detail
        assert "This is a great movie!" in detail


def test_a_model_that_is_not_there(library: Any) -> None:
    library(transformers=transformers([]))
    passed, detail, _ = checks.check_sentiment({**SENTIMENT, "model": "/no/model", "local": True})
    assert not passed
    assert "/no/model is not a directory" in detail


def test_a_model_that_cannot_be_loaded(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def pipeline(task: str, model: str) -> Any:
        raise OSError("no file named model.safetensors")

    library(transformers=SimpleNamespace(pipeline=pipeline))
    monkeypatch.setenv("HF_HUB_CACHE", "/srv/hub")
    with pytest.raises(RuntimeError, match=r"owner/model cannot be loaded from the cache /srv/hub"):
        checks.check_sentiment(SENTIMENT)


# -- plot


def png(width: int = 200, height: int = 150, rows: bytes | None = None) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    if rows is None:
        rows = bytes((1 + 4 * width) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def matplotlib(data: bytes, pixels: bytes) -> dict[str, Any]:
    axes = SimpleNamespace(plot=lambda *a, **k: None, set_title=lambda text: None)
    figure = SimpleNamespace(add_subplot=lambda *a: axes)

    class Canvas:
        def __init__(self, figure: Any) -> None:
            pass

        def print_png(self, stream: Any) -> None:
            stream.write(data)

        def buffer_rgba(self) -> bytes:
            return pixels

    def use(backend: str) -> None:
        assert backend == "Agg"

    return {
        "matplotlib": SimpleNamespace(use=use),
        "matplotlib__figure": SimpleNamespace(Figure=lambda figsize, dpi: figure),
        "matplotlib__backends": SimpleNamespace(),
        "matplotlib__backends__backend_agg": SimpleNamespace(FigureCanvasAgg=Canvas),
    }


COLOURFUL = bytes(range(256)) * 4
BLANK = b"\xff" * 1024


@pytest.mark.parametrize(
    ("data", "pixels", "words"),
    [
        (png(), COLOURFUL, ""),
        (png(), BLANK, "1 colours"),
        (png(100, 100), COLOURFUL, "100x100"),
        (b"GIF89a" + png()[6:], COLOURFUL, "signature"),
        (png()[:-12], COLOURFUL, "chunks"),
        (png()[:60], COLOURFUL, "not a complete PNG"),
        (png().replace(b"IDAT", b"IDAX"), COLOURFUL, "checksum"),
        (png(rows=b"\0" * 99), COLOURFUL, "pixel data"),
        (b"", COLOURFUL, "signature"),
    ],
    ids=["good", "blank", "size", "signature", "no end", "cut", "checksum", "pixels", "empty"],
)
def test_plot(library: Any, data: bytes, pixels: bytes, words: str) -> None:
    library(**matplotlib(data, pixels))
    passed, detail, _ = checks.check_plot({"min_colours": 5})
    assert passed is (not words), detail
    assert words in detail


def test_a_missing_library_is_an_import_error() -> None:
    for check, options in [
        (checks.check_matmul_numpy, MATMUL),
        (checks.check_sentiment, SENTIMENT),
        (checks.check_plot, {"min_colours": 5}),
    ]:
        with pytest.raises(ImportError):
            check(options)
