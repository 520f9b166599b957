"""Notebook 03: the norm of a matrix, of a convolution, and a layer that divides by it."""

import copy
import math
from collections.abc import Callable
from inspect import signature
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import DETACHED, check_as_before, close, compare, shaped
from cgan_lib.course.exercises.projection import made
from cgan_lib.course.exercises.verdict import Wrong, call, check, run

TANGLED = (
    "Two calls before a backward pass, one for reals and one for fakes, get in each other's way: find u and v under "
    "torch.no_grad(), and let σ be computed from a copy that the next call does not overwrite."
)


@check("03", "build", difficulty=2, minutes=12)
def check_power_iteration(answer: Callable[..., Tensor]) -> str:
    """The largest singular value of W (rows, columns), from a start vector and a number of turns."""
    _check_takes_turns(answer)
    cases = [(_matrix(*shape, values=[3.0, 1.0, 0.2]), torch.randn(shape[1]), 50) for shape in ((5, 3), (3, 5), (4, 4))]
    mistakes = {
        "This is the Frobenius norm: all singular values together. Only the largest is wanted.": lambda W, v, turns: (
            W.norm()
        ),
        "This is σ²: the largest eigenvalue of WᵀW. Take its root, or use uᵀ W v; and both vectors have length 1.": (
            lambda W, v, turns: torch.linalg.matrix_norm(W, ord=2) ** 2
        ),
        "This is only how far v itself is stretched: turn it first.": lambda W, v, turns: (W @ v).norm() / v.norm(),
        "These are the singular values together; only the largest is wanted.": lambda W, v, turns: (
            torch.linalg.matrix_norm(W, ord="nuc")
        ),
    }
    otherwise = "u = W v and v = Wᵀ u in turns, each made length 1; then uᵀ W v."
    compare(answer, cases, lambda W, v, turns: torch.linalg.matrix_norm(W, ord=2), mistakes, otherwise)
    for shape in ((6, 4), (4, 7)):
        _check_way(answer, _matrix(*shape, values=[3.0, 2.7, 2.0, 1.0]), torch.randn(shape[1]))
    return "50 turns here; a training step needs one, as it starts from the vector of the step before."


def _check_takes_turns(answer: Callable[..., Tensor]) -> None:
    try:
        signature(answer).bind(0, 0, 0)
    except TypeError as error:
        if callable(answer):
            raise Wrong("Keep the three arguments: W, v, and turns, which says how often.") from error
    except ValueError:  # a function without a readable signature
        pass


def _matrix(rows: int, columns: int, values: list[float]) -> Tensor:
    """A random matrix (rows, columns) with these singular values."""
    left, right = (torch.linalg.qr(torch.randn(size, len(values))).Q for size in (rows, columns))
    return left * torch.tensor(values) @ right.T


def _check_way(answer: Callable[..., Tensor], W: Tensor, v: Tensor) -> None:
    """`Wrong` unless the estimates after a few turns, far from the end yet, are those from `v`."""
    way = _way(W, v, 7)
    found = {turns: shaped(call(answer, W, v, turns), ()) for turns in (1, 2, 6)}
    if close(found[1], torch.linalg.matrix_norm(W, ord=2)):
        raise Wrong(
            "That is the answer, but not by power iteration: after one turn it cannot be there yet. u = W v, v = Wᵀ u."
        )
    if close(found[1], found[6]):
        raise Wrong("The number of turns makes no difference: repeat as often as turns says.")
    if close(shaped(call(answer, W, v.flip(0), 1), ()), found[1]):
        raise Wrong("The start makes no difference: begin with the v that is given.")
    for turns, value in found.items():
        # a turn is u and v: one may measure before u, after it, or after v
        if not any(close(value, length) for length in way[2 * turns - 2 : 2 * turns + 1]):
            raise Wrong(f"After turns={turns} from v it should be {way[2 * turns - 1]:.3f}; this is {value:.3f}.")


def _way(W: Tensor, v: Tensor, turns: int) -> list[Tensor]:
    """How far W and Wᵀ by turns stretch a vector of length 1, at first `v`: two estimates of σ for each turn."""
    lengths = []
    for matrix in [W, W.T] * turns:
        v = matrix @ (v / v.norm())
        lengths.append(v.norm())
    return lengths


def stretch(layer: nn.Module, x: Tensor, turns: int = 100) -> float:
    """How far a layer, without its bias, stretches an input at most: its largest singular value as a linear map.

    By power iteration from the input `x` (1, …): `layer` applies W, the gradient applies Wᵀ, so that the matrix of a
    convolution need not be written down.
    """
    for _ in range(turns):
        x = (x / x.norm()).detach().requires_grad_()
        y = layer(x) - layer(torch.zeros_like(x))
        (x,) = torch.autograd.grad(y, x, y)
    return y.norm().item()


@check("03", "build", difficulty=3, minutes=15)
def check_stretch(answer: Callable[[nn.Module, Tensor], float | Tensor]) -> str:
    """How far a layer stretches an input at most, from the layer and a start (1, …)."""
    layers: list[tuple[nn.Conv2d | nn.Linear, tuple[int, ...]]] = [
        (nn.Conv2d(2, 3, kernel_size=3, padding=1), (1, 2, 6, 6)),
        (nn.Conv2d(1, 4, kernel_size=4, stride=2, padding=1), (1, 1, 8, 8)),
        (nn.Linear(5, 4), (1, 5)),
        (nn.Conv2d(2, 2, kernel_size=5, padding=2), (1, 2, 7, 7)),
    ]
    for layer, shape in layers:
        with torch.no_grad():
            layer.weight.mul_(3 * torch.rand(()) + 0.5)
            layer.get_parameter("bias").add_(2)  # which an answer must not count
        sigma = _dense(layer, shape)
        value = shaped(call(answer, layer, torch.rand(shape) + 0.1), ()).double()
        if torch.isclose(value, sigma, rtol=0.02):
            run(answer, layer, torch.ones(shape))
            check_as_before(layer)
            continue
        kernel = torch.linalg.matrix_norm(layer.weight.detach().flatten(1).double(), ord=2)
        if torch.isclose(value, kernel, rtol=0.02):
            raise Wrong("This is the norm of the kernel: places share pixels, so the layer stretches more.")
        if torch.isclose(value, sigma**2, rtol=0.02):
            raise Wrong("This is σ²: what WᵀW does to a unit vector. The length of W x is σ.")
        raise Wrong(
            f"A {type(layer).__name__} stretches by {sigma:.3f}; this is {value:.3f}. Take the bias away, make x "
            "length 1 in each turn, and let autograd apply Wᵀ."
        )
    return "The whole matrix agrees; a real one, of 784 × 12,544 numbers, never has to be written down."


def _dense(layer: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """The largest singular value of a layer's whole matrix, a column for each number that goes in."""
    count = torch.Size(shape).numel()
    with torch.no_grad():
        unit = torch.eye(count).view(count, *shape[1:])
        columns = layer(unit) - layer(torch.zeros_like(unit))  # (inputs, …)
    return torch.linalg.matrix_norm(columns.flatten(1).double(), ord=2)


class SpectralLinear(nn.Module):
    """A linear layer whose matrix is divided by its largest singular value, found by a turn at each training step.

    (N, in_features) → (N, out_features), after Miyato et al. 2018, algorithm 1.
    """

    v: Tensor

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / in_features**0.5)
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.register_buffer("v", F.normalize(torch.randn(in_features), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            u = F.normalize(self.weight @ self.v, dim=0)
            v = F.normalize(self.weight.T @ u, dim=0)
            if self.training:
                self.v.copy_(v)
        return F.linear(x, self.weight / (u @ self.weight @ v), self.bias)


@check("03", "build", difficulty=3, minutes=25)
def check_spectral_layer(answer: Callable[[int, int], nn.Module]) -> str:
    """A linear layer, made from `in_features` and `out_features`, that divides its weight by σ."""
    layers = [_spectral(answer, 8, 12, norm=3.0), _spectral(answer, 12, 9, norm=0.5)]
    if all(abs(_estimates(layer, calls=1)[0] - 1) < 2e-3 for layer in layers):
        raise Wrong("σ is right at the first call already: one turn of power iteration a call, from the last vector.")
    ways = [_estimates(layer, calls=80) for layer in layers]
    for layer, way in zip(layers, ways, strict=True):
        _check_converges(way)
        _check_turns(_spectral(answer, 8, 12, norm=1.0, second=0.9))
        _check_slopes(layer)
        _check_saved(answer, layer)
    _check_evaluation(_spectral(answer, 8, 12, norm=3.0))
    return "One turn a call is enough, as the weights move slowly; and the gradient knows that σ moves with them."


def _spectral(
    answer: Callable[[int, int], nn.Module], inputs: int, outputs: int, norm: float, second: float | None = None
) -> nn.Module:
    """A layer of the learner's, in training mode; `Wrong` when it has other parts.

    Its singular values fall from `norm` to half of it; with a `second`, all others are that.
    """
    layer = made(answer, in_features=inputs, out_features=outputs).train()
    shaped(run(layer, torch.randn(3, inputs)), (3, outputs))
    by_torch = any(type(part).__module__ == "torch.nn.utils.parametrizations" for part in layer.modules())
    if by_torch or any(name.endswith("_orig") for name in layer.state_dict()):
        raise Wrong("That is PyTorch's own: write the turn yourself, with its vector in a buffer.")
    learned = [parameter for parameter in layer.parameters() if parameter.requires_grad]
    if sum(each.ndim == 1 for each in learned) > 1:
        raise Wrong("The vector of power iteration is nothing to be learned: register_buffer, not nn.Parameter.")
    if sorted(tuple(each.shape) for each in learned) not in ([(outputs,), (outputs, inputs)],):
        sizes = [tuple(each.shape) for each in learned]
        raise Wrong(f"A weight ({outputs}, {inputs}) and a bias ({outputs},) are to be learned; yours has {sizes}.")
    weight, bias = _learned(layer)
    with torch.no_grad():
        values = torch.linspace(norm, norm / 2, 8).tolist() if second is None else [norm] + 7 * [second]
        weight.copy_(_matrix(outputs, inputs, values))
        bias.normal_()
    return layer


def _learned(layer: nn.Module) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias of a layer, whatever their names."""
    learned = [parameter for parameter in layer.parameters() if parameter.requires_grad]
    bias, weight = sorted(learned, key=lambda each: each.ndim)
    return weight, bias


def _estimates(layer: nn.Module, calls: int) -> list[float]:
    """What a layer takes for σ, call by call, as a share of what it is; `Wrong` when it does not give x Wᵀ/σ + bias."""
    weight, bias = (each.detach().clone() for each in _learned(layer))
    sigma, found = torch.linalg.matrix_norm(weight, ord=2), []
    for _ in range(calls):
        x = torch.randn(4, weight.shape[1])
        y, plain = shaped(call(layer, x), (4, len(bias))).float(), x @ weight.T
        if not y.isfinite().all():
            raise Wrong("There are numbers that are NaN or infinite: is a vector too long, or of length 0?")
        # y as a sum of both: (4·outputs, 2) → its two factors
        terms = torch.stack([plain.flatten(), bias.expand_as(y).flatten()], 1)
        scale, of_bias = torch.linalg.lstsq(terms, y.flatten()[:, None]).solution.flatten()
        if not close(terms @ torch.stack([scale, of_bias]), y.flatten()):
            raise Wrong("The result should be x Wᵀ/σ + bias, for every row of x alike.")
        if abs(of_bias - 1) > 1e-3:
            raise Wrong("The bias is left out." if abs(of_bias) < 1e-3 else "Only the weight is divided, not the bias.")
        found.append((1 / scale / sigma).item())
    if not torch.equal(weight, _learned(layer)[0]):
        raise Wrong("The raw weight is kept, for the optimizer: divide it into a new tensor, where it is used.")
    if abs(found[-1] * sigma - 1) < 1e-4:
        raise Wrong("The weight is not divided at all.")
    return found


def _check_converges(way: list[float]) -> None:
    if max(way) - min(way) < 1e-4:
        raise Wrong("What it divides by is the same at all calls: each makes one turn, from where the last one ended.")
    if any(after < before - 1e-3 for before, after in pairwise(way)):
        raise Wrong("σ gets worse between two calls: go on from the vector of the last call, not from a new one.")
    if abs(way[-1] - 1) > 2e-3:
        raise Wrong(f"After {len(way)} calls W/σ should stretch by 1 at most; it stretches by {1 / way[-1]:.2f}.")


def _check_turns(layer: nn.Module) -> None:
    """`Wrong` unless each call turns the vector once; the singular values are 1 and else 0.9.

    A turn multiplies the tangent of the angle between v and its end by 0.9², whatever the start.
    """
    estimates = torch.tensor(_estimates(layer, calls=6)).double()
    tangents = (1 - estimates**2) / (estimates**2 - 0.9**2)  # squared
    turns = ((tangents[5] / tangents[2]).log() / math.log(0.9) / 4 / 3).item()
    if not 0.8 < turns < 1.2:
        raise Wrong(f"One turn of power iteration a call, from the last vector; here there are {turns:.2g}.")


def _check_slopes(layer: nn.Module) -> None:
    """`Wrong` unless the gradient is that of W/σ, for two calls before a backward pass, twice; it has converged."""
    weight, bias = _learned(layer)
    x = torch.randn(5, weight.shape[1], requires_grad=True)
    share = torch.randn(5, len(bias))
    right = F.linear(x, weight / torch.linalg.matrix_norm(weight, ord=2), bias)
    expected = torch.autograd.grad(2 * (share * right).sum(), (x, bias, weight))
    for _ in range(2):
        try:
            value = (share * (run(layer, x) + run(layer, x))).sum()  # as D is called for reals and for fakes
            found = torch.autograd.grad(value, (x, bias, weight), materialize_grads=True)
        except RuntimeError as error:
            tangled = any(sign in str(error) for sign in ("second time", "inplace"))
            raise Wrong(TANGLED if tangled else DETACHED) from error
        if not all(close(one, other) for one, other in zip(found, expected, strict=True)):
            raise Wrong("The gradient is not that of W/σ: u and v are constants, but σ = uᵀ W v moves with W.")


def _check_saved(answer: Callable[[int, int], nn.Module], layer: nn.Module) -> None:
    """`Wrong` unless a layer that is loaded gives the same."""
    weight, bias = _learned(layer)
    outputs, inputs = weight.shape
    x, loaded = torch.randn(4, inputs), made(answer, in_features=inputs, out_features=outputs)
    try:
        loaded.load_state_dict(layer.state_dict())
    except RuntimeError as error:
        raise Wrong("What is saved cannot be loaded: register the buffer in __init__.") from error
    in_evaluation = call(layer.eval(), x)
    if not close(in_evaluation, F.linear(x, weight / torch.linalg.matrix_norm(weight, ord=2), bias)):
        raise Wrong("In evaluation, too, the weight is divided by σ.")
    if not close(call(loaded.eval(), x), in_evaluation):
        raise Wrong("The vector is not saved with the weights: self.register_buffer in __init__ does that.")


def _check_evaluation(layer: nn.Module) -> None:
    """`Wrong` unless calls in evaluation leave a layer as it is, far from its end."""
    before, x = copy.deepcopy(layer.eval().state_dict()), torch.randn(3, 8)
    results = [call(layer, x) for _ in range(3)]
    moved = any(not torch.equal(before[name], value) for name, value in layer.state_dict().items())
    if moved or not close(results[0], results[2]):
        raise Wrong("In evaluation (self.training is False) a call leaves the vector as it is.")
