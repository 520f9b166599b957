"""Reading a generator back, ours or another's: what it is made of is read off its tensors."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from cgan_lib.errors import UserError, printable, unknown
from cgan_lib.files import first_line
from cgan_lib.models import MODELS
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.models.limits import check_finite
from cgan_lib.weights import description
from cgan_lib.weights.description import Descriptions
from cgan_lib.weights.foreign import fill, wrap
from cgan_lib.weights.places import existing, file_in
from cgan_lib.weights.read import read
from cgan_lib.weights.recognise import COUNTER, on_meta, plain, recognise


def load_generator(
    source: str | Path,
    device: str | torch.device = "cpu",
    *,
    model: str | None = None,
    module: nn.Module | None = None,
    latent_dim: int | None = None,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    dataset: str | None = None,
) -> ConditionalGenerator:
    """A generator from a weight file, a folder, the Hugging Face hub (`hf://owner/name`), or shipped with the library.

    Reads `.safetensors` and PyTorch state dicts, also deep inside a training checkpoint (averaged weights first), with
    the prefixes of `DataParallel`, `torch.compile`, Lightning and their like. What it is made of is read off the names
    and shapes of the tensors; a configuration beside them that says otherwise is reported and overruled. It is of the
    family `model`, or that which the file or its configuration declares, where the tensors fit several.

    `module`: a network of your own, with `forward(z, labels)` → images (N,C,H,W) in [-1, 1], that takes the tensors in
    place of a family; `latent_dim` and `num_classes` are needed when neither an attribute of it nor a `config.json`
    says them. `class_names` and `dataset` go before what the file says. The random state is left as it was.
    `UserError` for anything else.
    """
    if module is None and not (latent_dim is num_classes is None):
        raise UserError("latent_dim and num_classes are read off the tensors: give them only with module=.")
    if module is not None and model is not None:
        raise UserError("give model=, a family of the library, or module=, a network of your own, but not both.")
    path = existing(source)
    described: Descriptions = {}
    if path.is_dir():
        described = description.beside(path)
        path = file_in(path)
    content, metadata = read(path)
    described = description.inside(path.name, content, metadata) | described
    with torch.random.fork_rng(devices=[]):
        if module is None:
            generator = _of_family(content, path, model, described)
        else:
            generator = wrap(fill(module, content, path), latent_dim, num_classes, description.said(described))
    _check_finite(generator, path)
    if class_names is not None:
        generator.class_names = class_names
    generator.draws(generator.dataset if dataset is None else dataset, generator.class_names)
    return generator.to(device).eval()


def _of_family(content: dict, path: Path, model: str | None, described: Descriptions) -> ConditionalGenerator:
    fitting, state = recognise(content, path)
    beside = description.beside(path.parent)  # of a file that was named itself, it may be about another one
    family = _choose(fitting, model, described | beside, path)
    generator = _build(family, state, path)
    about = description.said(described | description.agreeing(generator, family, beside))
    generator.draws(about.get("dataset"), about.get("class_names"), about.get("attribute_names"))
    for complaint in description.complaints(generator, family, described):
        warnings.warn(f"{complaint}: the tensors of {printable(path.name)} were believed.", stacklevel=3)
    return generator


def _choose(fitting: list[str], wanted: str | None, described: Descriptions, path: Path) -> str:
    """Of the families that fit: the one asked for, else the one that is declared, else the only one."""
    if wanted is not None and wanted not in MODELS:
        raise unknown("model", wanted, MODELS)
    if wanted is not None and wanted not in fitting:
        raise UserError(f"{path} holds no {wanted} generator: its tensors are those of {' or '.join(fitting)}.")
    family = wanted or description.declared(described, fitting)
    if not family and len(fitting) > 1:
        raise UserError(
            f"the tensors of {path} fit several families, {', '.join(fitting)}, and it does not say which: "
            f"name one, load_generator({path.name!r}, model={fitting[0]!r})."
        )
    return family or fitting[0]


def _build(model: str, state: dict[str, Tensor], path: Path) -> ConditionalGenerator:
    """A generator with these tensors, once its size is known to be that of the file."""
    family = MODELS[model].generator
    try:
        config = family.infer_config(state)
        expected = on_meta(family, config)
        counters = {plain(name): torch.tensor(0) for name in expected if name.endswith(COUNTER)}
        state = {name: (counters | state)[plain(name)] for name in expected}
        _check_shapes(expected, state, path)
        generator = family(**config)
        generator.load_state_dict(state)
    except (UserError, RuntimeError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        reason = first_line(error).rstrip(".")
        raise UserError(
            f"{path} looks like a {model} generator but does not fit it ({reason}): export it again."
        ) from error
    return generator


def _check_shapes(expected: dict[str, Tensor], state: dict[str, Tensor], path: Path) -> None:
    """`UserError` unless the tensors are of the expected shapes and kinds, and as large as the file says."""
    for name, tensor in state.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape:
            raise UserError(f"{name} is {tuple(tensor.shape)} in place of {tuple(wanted.shape)}")
        if tensor.is_floating_point() != wanted.is_floating_point() and not name.endswith(COUNTER):
            raise UserError(f"{name} is {tensor.dtype} in place of {wanted.dtype}")
    declared = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if declared > path.stat().st_size:
        raise UserError(f"its tensors declare {declared:,} bytes, more than the file has")


def _check_finite(generator: ConditionalGenerator, path: Path) -> None:
    try:
        check_finite(generator)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
