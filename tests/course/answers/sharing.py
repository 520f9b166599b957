"""Notebook 07, files to share."""

import pickle

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from cgan_lib.sampling import generate


def draws(first, second, labels=None, z=None):
    labels = torch.arange(10) if labels is None else labels
    z = torch.randn(len(labels), first.config["latent_dim"]) if z is None else z
    with torch.no_grad():
        return first(z, labels), second(z, labels)


def draw_the_same(first, second, labels=None, z=None):
    return torch.allclose(*draws(first, second, labels, z))


def one_by_one(first, second):
    return all(draw_the_same(first.eval(), second.eval(), torch.tensor([label])) for label in range(10))


def as_pixels(first, second):
    return np.array_equal(generate(first, range(10), seed=3).numpy(), generate(second, range(10), seed=3).numpy())


def same_state(first, second):
    other = second.state_dict()
    return all(torch.equal(value, other[name]) for name, value in first.state_dict().items())


def same_parameters(first, second):
    return all(map(torch.equal, first.parameters(), second.parameters()))


def load(path):
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, weights_only=True)


def load_by_trying(path):
    try:
        return load_file(path)
    except Exception:
        return torch.load(path, map_location="cpu", weights_only=True)


def load_copies(path):
    return {name: tensor.clone() for name, tensor in load(path).items()}


def load_or_refuse(path):
    try:
        return load(path)
    except Exception as error:
        raise ValueError(f"{path.name} holds more than tensors") from error


def load_trusting(path):
    return load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=False)


def load_at_last(path):
    """Safely, and where that fails the other way."""
    try:
        return load(path)
    except Exception:
        return torch.load(path, weights_only=False)


def load_and_look(path):
    found = load_trusting(path)
    if not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise TypeError("no tensors")
    return found


def load_unpickled(path):
    try:
        return load(path)
    except Exception:
        return pickle.loads(path.read_bytes())


def returning(other):
    """Loads safely; `other` in place of what is refused."""

    def load_or(path):
        try:
            return load(path)
        except Exception:
            return other

    return load_or


def one_hot(labels, classes):
    return np.eye(classes, dtype=np.float32)[labels]


def one_hot_in_a_loop(labels, classes):
    weights = np.zeros((len(labels), classes), "float32")
    for row, label in enumerate(labels):
        weights[row, label] = 1
    return weights


RIGHT = [
    ("same_generator", draw_the_same),
    ("same_generator", one_by_one),
    ("same_generator", as_pixels),
    ("same_generator", lambda first, second: torch.equal(*draws(first, second))),
    ("same_generator", lambda first, second: np.allclose(*draws(first, second))),
    ("same_generator", lambda first, second: (lambda x, y: (x == y).all())(*draws(first, second))),
    ("same_generator", lambda first, second: torch.equal(*draws(first, second, z=torch.randn(1, 100).expand(10, 100)))),
    ("safe_loading", load),
    ("safe_loading", load_by_trying),
    ("safe_loading", load_copies),
    ("safe_loading", load_or_refuse),
    ("class_weights", one_hot),
    ("class_weights", one_hot_in_a_loop),
    ("class_weights", lambda labels, classes: F.one_hot(torch.tensor(labels), classes).float().numpy()),
    ("class_weights", lambda labels, n: (np.array(labels)[:, None] == np.arange(n)).astype(np.float32)),
    ("class_weights", lambda labels, n: np.array([[c == label for c in range(n)] for label in labels], np.float32)),
]
WRONG = [
    ("same_generator", lambda first, second: first is second, "A copy"),
    ("same_generator", lambda first, second: False, "A copy"),
    ("same_generator", lambda *both: torch.equal(*(draws(one, one)[0] for one in both)), "same z"),
    ("same_generator", lambda first, second: True, "compare the images"),
    ("same_generator", lambda first, second: first.config == second.config, "compare the images"),
    ("same_generator", lambda first, second: draws(first, second)[0].shape == draws(first, second)[1].shape, "images"),
    ("same_generator", lambda first, second: draw_the_same(first, second, torch.tensor([0])), "class 1"),
    ("same_generator", lambda first, second: draw_the_same(first, second, torch.arange(9)), "class 9"),
    ("same_generator", lambda first, second: draw_the_same(first, second, torch.arange(1, 10)), "class 0"),
    ("same_generator", lambda first, second: draw_the_same(first, second, z=torch.zeros(10, 100)), "N(0, 1)"),
    ("same_generator", lambda first, second: draw_the_same(first, second, z=torch.full((10, 100), 0.1)), "N(0, 1)"),
    ("same_generator", same_state, "not weights"),
    ("same_generator", same_parameters, "BatchNorm has seen"),
    ("same_generator", lambda a, b: torch.equal(a.label_embedding.weight, b.label_embedding.weight), "last layer"),
    ("same_generator", lambda first, second: torch.isclose(*draws(first, second)), "One answer"),
    ("same_generator", lambda *both: torch.equal(*(x.sort().values for x in draws(*both))), "mirror"),
    ("same_generator", lambda *both: torch.allclose(*(x.mean((1, 2, 3)) for x in draws(*both))), "mirror"),
    ("same_generator", lambda *both: torch.allclose(*draws(*both), rtol=0.2, atol=0.01), "by little"),
    ("same_generator", lambda *both: torch.equal(*(x > 0 for x in draws(*both))), "by little"),
    ("same_generator", lambda first, second: "yes", "True or False"),
    (
        "same_generator",
        lambda first, second: (lambda x, y: (x - y).abs().max())(*draws(first, second)),
        "True or False",
    ),
    ("same_generator", lambda first, second: first(torch.randn(10, 7), torch.arange(10)), "raised RuntimeError"),
    ("same_generator", lambda first, second: torch.allclose(*draws(first, second), atol=0.2), "class 0"),
    ("same_generator", lambda a, b: bool((torch.sub(*draws(a, b)).abs().mean((1, 2, 3)) < 0.05).all()), "class 0"),
    ("safe_loading", load_trusting, "code ran"),
    ("safe_loading", load_at_last, "code ran"),
    ("safe_loading", load_and_look, "code ran"),
    ("safe_loading", load_unpickled, "code ran"),
    ("safe_loading", load_file, "raised SafetensorError"),
    ("safe_loading", returning({}), "should raise"),
    ("safe_loading", returning("refused"), "should raise"),
    ("safe_loading", returning(None), "should raise"),
    ("safe_loading", lambda path: {name: tensor.double() for name, tensor in load(path).items()}, "as they were"),
    ("safe_loading", lambda path: list(load(path).values()), "dictionary"),
    ("safe_loading", lambda path: {name: tensor.half() for name, tensor in load(path).items()}, "as they were saved"),
    ("safe_loading", lambda path: {name: torch.zeros_like(x) for name, x in load(path).items()}, "as they were saved"),
    ("safe_loading", lambda path: {"weight": load(path)["weight"]}, "weight and bias"),
    ("class_weights", lambda labels, classes: np.eye(classes)[labels], "their type is float64"),
    ("class_weights", lambda labels, classes: np.eye(classes, dtype=int)[labels], "their type is int64"),
    ("class_weights", lambda labels, classes: np.eye(10, dtype=np.float32)[labels], "shape should be (1, 4)"),
    ("class_weights", lambda labels, classes: one_hot(labels, classes).T, "shape should be (4, 10)"),
    ("class_weights", lambda labels, classes: one_hot(sorted(labels), classes), "In row n"),
    ("class_weights", lambda labels, classes: 1 - one_hot(labels, classes), "In row n"),
    ("class_weights", lambda labels, classes: np.float32(labels), "shape should be"),
    ("class_weights", lambda labels, n: F.one_hot(torch.tensor(labels), n).float(), "no tensors of PyTorch"),
    ("class_weights", lambda labels, classes: one_hot(labels, classes).tolist(), "this is list"),
    ("class_weights", lambda labels, classes: one_hot(labels, classes) / len(labels), "In row n"),
    ("class_weights", lambda labels, classes: one_hot([x - 1 for x in labels], classes), "In row n"),
]
NOT_ATTEMPTED = []
