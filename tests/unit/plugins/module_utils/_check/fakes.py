"""Stand-ins for numpy and torch with the few calls that the checks make, right or wrong at will.

They let a test break what no real library breaks on request: a kernel, an optimizer, a second GPU.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

Rows = list[list[float]]
Spoil = Callable[[Rows, "Matrix"], Rows]


def exact(rows: Rows, left: Matrix) -> Rows:
    return rows


def wrong_corner(rows: Rows, left: Matrix) -> Rows:
    """One entry of the last tile is off, as a broken kernel leaves it."""
    return [*rows[:-1], [*rows[-1][:-1], rows[-1][-1] + 1.0]]


def not_a_number(rows: Rows, left: Matrix) -> Rows:
    return [[float("nan")] * len(rows[0]), *rows[1:]]


class Matrix:
    """A matrix of plain floats; ``spoil`` is applied to every product."""

    def __init__(
        self, rows: Rows, spoil: Spoil = exact, dtype: str = "float32", device: str = "cpu"
    ):
        self.rows, self.spoil, self.dtype, self.device = rows, spoil, dtype, device

    def _like(self, rows: Rows, **changes: str) -> Matrix:
        return Matrix(
            rows,
            self.spoil,
            changes.get("dtype", self.dtype),
            changes.get("device", self.device),
        )

    def __matmul__(self, other: Matrix) -> Matrix:
        columns = list(zip(*other.rows))
        rows = [
            [sum(a * b for a, b in zip(row, column)) for column in columns] for row in self.rows
        ]
        return self._like(self.spoil(rows, self))

    def __mul__(self, factor: float) -> Matrix:
        return self._like([[value * factor for value in row] for row in self.rows])

    def __sub__(self, term: float) -> Matrix:
        return self._like([[value - term for value in row] for row in self.rows])

    def astype(self, dtype: str) -> Matrix:
        return self._like(self.rows, dtype=dtype)

    def double(self) -> Matrix:
        return self._like(self.rows, dtype="float64")

    def to(self, device: str) -> Matrix:
        return self._like(self.rows, device=device)

    def tolist(self) -> Rows:
        return self.rows


def only_float32(spoil: Spoil) -> Spoil:
    """Spoil products of float32 matrices only, as a broken kernel for one type does."""
    return lambda rows, left: spoil(rows, left) if left.dtype == "float32" else rows


def only_on(device: str, spoil: Spoil) -> Spoil:
    """Spoil products on one device only."""
    return lambda rows, left: spoil(rows, left) if left.device == device else rows


def _random_rows(size: int) -> Rows:
    generator = random.Random(7)
    return [[generator.uniform(-1, 1) for _ in range(size)] for _ in range(size)]


def numpy(spoil: Spoil = exact, solution: list[float] | None = None) -> Any:
    """A numpy whose products are spoiled and whose lstsq answers ``solution``."""

    class RandomState:
        def __init__(self, seed: int) -> None:
            assert 0 <= seed < 2**32

        def uniform(self, low: float, high: float, shape: tuple[int, int]) -> Matrix:
            return Matrix(_random_rows(shape[0]), spoil)

    return SimpleNamespace(
        random=SimpleNamespace(RandomState=RandomState),
        float32="float32",
        float64="float64",
        matmul=lambda left, right: left @ right,
        array=lambda values, dtype: values,
        linalg=SimpleNamespace(lstsq=lambda table, targets, rcond: (solution or [2.0, -3.4, 4.2],)),
    )


class Tensor:
    """Just enough of a tensor to be a batch, a parameter or an answer."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def reshape(self, *shape: int) -> Tensor:
        return self

    def __getitem__(self, part: slice) -> Tensor:
        return self

    def __sub__(self, other: Tensor) -> Tensor:
        return self

    def __pow__(self, power: int) -> Tensor:
        return self

    def mean(self) -> Tensor:
        return self

    def backward(self) -> None:
        pass

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Tensor:
        return self

    def tolist(self) -> list[float]:
        return self.values

    def fill_(self, value: float) -> None:
        self.values = [value for _ in self.values]


def torch(
    *,
    gpus: int = 0,
    cuda: str | None = None,
    spoil: Spoil = exact,
    learned: tuple[float, float, float] = (2.0, -3.4, 4.2),
    squares: float = 338350.0,
) -> Any:
    """A torch that sees ``gpus`` GPUs, multiplies as ``spoil`` lets it and learns ``learned``."""

    class Linear:
        def __init__(self, inputs: int, outputs: int) -> None:
            self.weight, self.bias = Tensor([0.0] * inputs), Tensor([0.0])

        def to(self, device: str) -> Linear:
            return self

        def parameters(self) -> Linear:
            return self

        def __call__(self, batch: Tensor) -> Tensor:
            return batch

    class SGD:
        def __init__(self, parameters: Linear, lr: float) -> None:
            self.model = parameters

        def zero_grad(self) -> None:
            pass

        def step(self) -> None:
            self.model.weight.values, self.model.bias.values = list(learned[:2]), [learned[2]]

    class Sum:
        def __pow__(self, power: int) -> Sum:
            return self

        def sum(self) -> float:
            return squares

    @contextlib.contextmanager
    def no_grad() -> Iterator[None]:
        yield

    return SimpleNamespace(
        __version__="2.13.0",
        version=SimpleNamespace(cuda=cuda, hip=None),
        float32="float32",
        float64="float64",
        arange=lambda *bounds, dtype: Sum(),
        cuda=SimpleNamespace(
            is_available=lambda: gpus > 0,
            device_count=lambda: gpus,
            get_device_name=lambda index: f"Card {index}",
            synchronize=lambda device: None,
        ),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False)),
        Generator=lambda: SimpleNamespace(manual_seed=lambda seed: None),
        rand=lambda rows, columns, generator: Matrix(_random_rows(rows), spoil),
        matmul=lambda left, right: left @ right,
        tensor=lambda values, dtype, device: Tensor([]),
        nn=SimpleNamespace(Linear=Linear),
        optim=SimpleNamespace(SGD=SGD),
        no_grad=no_grad,
    )
