"""Published folders: a generator with everything that a stranger needs to draw with it, library or not."""

import ast
import inspect
import io
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import torch

from cgan_lib import errors, sharing
from cgan_lib.data import DATASETS
from cgan_lib.errors import UserError
from cgan_lib.evaluation import Scores, evaluate
from cgan_lib.files import png, write_atomically
from cgan_lib.models import MODELS, layers
from cgan_lib.paths import make_folder
from cgan_lib.runs.run import Run, open_run
from cgan_lib.sampling import generate, grid_inputs, tile
from cgan_lib.weights import CONFIG_FILE, save_generator


def export(run: Run | str | Path, folder: str | Path, *, scores: Scores | None = None) -> Path:
    """Write the generator of a run as a folder to publish: weights twice, configuration, source, card and samples.

    `model.safetensors` and `<dataset>_cgan_generator.pth` hold the same weights, `generator_config.json` the
    constructor arguments, `cgan_architecture.py` the real source of the network (it needs nothing but torch),
    `README.md` the model card with `scores` (measured now when not given), `samples.png` ten images of each class.
    `UserError` when `folder` is there already: nothing is overwritten.
    """
    run = run if isinstance(run, Run) else open_run(run)
    folder = Path(folder)
    if folder.exists():
        raise UserError(f"{folder} exists: name a new folder, nothing is overwritten.")
    dataset, generator, model = run.recipe.dataset, run.generator.cpu(), run.recipe.model
    scores = scores or evaluate(generator, dataset)
    z, labels = grid_inputs(generator.config["num_classes"], generator.config["latent_dim"], run.recipe.seed)
    picture = tile(generate(generator, labels, z=z))
    config = {"model": model, "class": type(generator).__name__, "dataset": dataset, "arguments": generator.config}
    weights = io.BytesIO()
    torch.save(generator.state_dict(), weights)

    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of an export that was killed
    make_folder(partial)
    try:
        save_generator(generator, partial / "model.safetensors", model, recipe=run.recipe.name, steps=run.step)
        write_atomically(partial / _weights_file(dataset), weights.getbuffer())
        write_atomically(partial / CONFIG_FILE, json.dumps(config, indent=2).encode())
        write_atomically(partial / "cgan_architecture.py", architecture(model).encode())
        write_atomically(partial / "samples.png", png(picture))
        write_atomically(partial / "README.md", _card(run, scores).encode())
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def architecture(model: str) -> str:
    """The source of a family's generator as one file that imports nothing but torch and the standard library."""
    generator = MODELS[model].generator
    parts = [errors, layers, *_family_modules(generator)]
    imports, bodies = set(), []
    for part in parts:
        source = inspect.getsource(part)
        lines = source.splitlines()
        tree = ast.parse(source)
        for node in tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                if not (isinstance(node, ast.ImportFrom) and node.module.startswith("cgan_lib")):
                    imports.add(ast.unparse(node))
                lines[node.lineno - 1 : node.end_lineno] = [None] * (node.end_lineno - node.lineno + 1)
                if isinstance(node, ast.ImportFrom) and node.module == sharing.__name__:
                    lines[node.lineno - 1] = "Shareable = object  # what publishes a generator is left to the library"
        if ast.get_docstring(tree):
            lines[: tree.body[0].end_lineno] = [None] * tree.body[0].end_lineno
        bodies.append("\n".join(line for line in lines if line is not None).strip())
    head = f'"""The generator {generator.__name__} of cgan_lib in one file, which needs nothing but torch."""\n'
    return "\n\n".join([head, "\n".join(sorted(imports)), *bodies]) + "\n"


def _weights_file(dataset: str) -> str:
    return f"{dataset}_cgan_generator.pth"


def _family_modules(generator: type) -> list[ModuleType]:
    """The modules that define the class and the classes it inherits from, bases first."""
    names = [base.__module__ for base in reversed(generator.__mro__) if base.__module__.startswith("cgan_lib.models")]
    return [sys.modules[name] for name in dict.fromkeys(names) if name != layers.__name__]


def _example(generator: type, weights: str) -> str:
    return f"""\
import json, torch
from cgan_architecture import {generator.__name__}

config = json.load(open("{CONFIG_FILE}"))
generator = {generator.__name__}(**config["arguments"])
generator.load_state_dict(torch.load("{weights}", weights_only=True))
labels = torch.tensor([7, 7, 3])
z = torch.randn(3, config["arguments"]["latent_dim"])
images = generator.eval()(z, labels)  # (3, C, H, W) in [-1, 1]
"""


def _card(run: Run, scores: Scores) -> str:
    recipe, config = run.recipe, run.generator.config
    size = config["image_size"]
    names = DATASETS[recipe.dataset][1]
    classes = ", ".join(f"{label} {name}".removesuffix(f" {label}") for label, name in enumerate(names))
    rows = {
        "generator": f"`{type(run.generator).__name__}` of `cgan_architecture.py`, "
        f"{sum(p.numel() for p in run.generator.parameters()):,} parameters",
        "classes": classes,
        "training": f"{run.step:,} steps of {recipe.batch_size} images, {run.seconds:.0f} s; "
        f"loss {recipe.loss}, lr {recipe.lr:g}",
        "weights": "average (EMA) over the last steps" if recipe.ema else "of the last step",
        "as requested": f"{scores.as_requested:.1f}% of {scores.count:,} images, read by a classifier that is right "
        f"on {scores.real.as_requested:.1f}% of real images",
        "worst class": f"{scores.worst_class:.1f}%",
        "diversity within a class": f"{scores.diversity:.2f} of real images (least diverse class: "
        f"{scores.least_diverse:.2f})",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"""---
library_name: cgan_lib
pipeline_tag: unconditional-image-generation
tags: [gan, conditional-gan, pytorch]
datasets: [{recipe.dataset}]
---
# {recipe.name}: a conditional GAN for {recipe.dataset}

![Each row one class, each column one latent vector](samples.png)

Give it a class and a latent vector, and it draws an image of {config["channels"]}×{size}×{size} numbers in [-1, 1].
Nothing in the picture above was selected.

| | |
|---|---|
{table}

## Use

With the library:

```python
from cgan_lib import generate, load_generator

generator = load_generator("path/of/this/folder")  # or hf://owner/name
images = generate(generator, [7, 7, 3])  # uint8 (3, {config["channels"]}, {size}, {size})
```

Without it, in this folder:

```python
{_example(type(run.generator), _weights_file(recipe.dataset)).rstrip()}
```

## Limits

It was trained on {recipe.dataset} alone and draws nothing else. The score says how many images are read as the class
asked for, not that each of them would convince a person.
"""
