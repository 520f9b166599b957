"""Generators in the way of Hugging Face: `save_pretrained`, `from_pretrained` and `push_to_hub` for every family."""

import re
import shutil
import warnings
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData, PyTorchModelHubMixin

from cgan_lib.errors import UserError
from cgan_lib.files import first_line

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")  # owner/name
WEIGHTS_FILE = "model.safetensors"


class Shareable(
    PyTorchModelHubMixin,
    library_name="cgan_lib",
    pipeline_tag="unconditional-image-generation",
    tags=["gan", "conditional-gan", "pytorch"],
):
    """What a generator needs to be published as a folder: its weights, `config.json`, a model card and samples."""

    config: dict[str, int]

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        config: None = None,
        **options: Any,
    ) -> str | None:
        """Write a folder that `from_pretrained` and `load_generator` read; with `push_to_hub`, publish it as well.

        `model.safetensors`, `config.json` (the constructor arguments), `README.md` (the card; `model_card_kwargs` may
        name a `license` and a `dataset`) and `samples.png`. Returns the address of what was published, or None.
        `UserError` when the folder holds something: unlike the mixin's own, it overwrites nothing. `config` is there
        for the mixin and not looked at: the arguments are those that this generator was made with.
        """
        from cgan_lib.paths import make_folder

        folder = Path(save_directory)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} exists: name a new or an empty folder, nothing is overwritten.")
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
        make_folder(partial)
        try:
            super().save_pretrained(partial, config=self.config, model_card_kwargs=model_card_kwargs)
            if folder.exists():
                folder.rmdir()  # it is empty; Windows renames nothing onto a folder
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        if not push_to_hub:
            return None
        return self.push_to_hub(repo_id or folder.name, model_card_kwargs=model_card_kwargs, **options)

    def _save_pretrained(self, save_directory: Path) -> None:
        from cgan_lib.files import png, write_atomically
        from cgan_lib.sampling import generate, grid_inputs, tile
        from cgan_lib.weights import save_generator

        save_generator(self, save_directory / WEIGHTS_FILE, family_of(type(self)))
        z, labels = grid_inputs(self.config["num_classes"], self.config["latent_dim"])
        write_atomically(save_directory / "samples.png", png(tile(generate(self, labels, z=z))))

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **options: Any,
    ) -> "Shareable":
        """A generator of this family, in evaluation mode, from a folder or from `owner/name` on the Hugging Face hub.

        `hf://owner/name` is the hub whatever lies on the disk. `map_location` is the device. `UserError` for a folder
        that is not there, a repository that cannot be fetched, or a generator of another family; the base class,
        `ConditionalGenerator`, takes any.
        """
        folder = _folder_of(
            pretrained_model_name_or_path,
            force_download=force_download,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            revision=revision,
        )
        try:
            return super().from_pretrained(folder, **options)
        except (ValueError, AttributeError) as error:  # a config.json that is no JSON, or no dictionary
            raise UserError(f"config.json of {folder} cannot be read ({first_line(error)}): fetch it again.") from error

    @classmethod
    def _from_pretrained(cls, *, model_id: str, map_location: str = "cpu", **options: Any) -> "Shareable":
        from cgan_lib.models.layers import ConditionalGenerator
        from cgan_lib.weights import load_generator

        generator = load_generator(model_id, map_location)
        if cls not in (type(generator), ConditionalGenerator):
            raise UserError(
                f"{model_id} holds a {type(generator).__name__}, no {cls.__name__}: "
                f"use {type(generator).__name__}.from_pretrained, or load_generator, which takes any family."
            )
        wrong = {name: value for name, value in generator.config.items() if options.get(name, value) != value}
        if wrong:  # as load_generator does with other descriptions of weights
            said = ", ".join(f"{name}={options[name]!r} (is {value})" for name, value in wrong.items())
            warnings.warn(f"config.json says {said}: the tensors of {WEIGHTS_FILE} were believed.", stacklevel=4)
        return generator

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Publish as `owner/name`, or `name` of your own, on the Hugging Face hub, and return the commit's address.

        What is published is what `save_pretrained` writes. `UserError` without a connection or the right to write.
        """
        try:
            return super().push_to_hub(repo_id, **options)
        except UserError:
            raise
        except Exception as error:  # no network, no token, no such owner: the library has an exception for each
            raise UserError(
                f"{repo_id} could not be published ({first_line(error)}): check the name and the connection, and log "
                "in with `hf auth login`."
            ) from error

    def generate_model_card(self, license: str = "unknown", dataset: str | None = None) -> ModelCard:
        """The README of a published generator: what it draws, how to load it, what it is made of."""
        data = ModelCardData(
            **self._hub_mixin_info.model_card_data.to_dict() | {"license": license},
            **({"datasets": [dataset]} if dataset else {}),
        )
        return ModelCard(f"---\n{data.to_yaml()}\n---\n{_card(self, license, dataset)}")


def family_of(generator: type) -> str:
    """The name in `MODELS` of the family that a class of generators belongs to; `UserError` when it is in none."""
    from cgan_lib.models import MODELS

    for name, family in MODELS.items():
        if family.generator is generator:
            return name
    raise UserError(
        f"{generator.__name__} is no family known here, so nothing could read what is written: add it to MODELS."
    )


def _folder_of(source: str | Path, **options: Any) -> Path:
    """The folder meant: one on the disk, or the copy of a repository on the hub."""
    from cgan_lib.paths import locate
    from cgan_lib.weights import HUB, SUFFIXES, pretrained

    path, name = locate(source), str(source)
    if not name.startswith(HUB):
        if path.is_dir():
            return path
        # What has the form of a path, lies in a folder that is there, or cannot be owner/name, is a slip of the pen;
        # looked up on the hub, it would end in an error about access rights
        if isinstance(source, Path) or not HUB_NAME.fullmatch(name) or path.exists() or path.parent.is_dir():
            hint = "check the path, or name a repository on the hub as owner/name"
            if path.is_file() or name in pretrained():
                hint = "load_generator reads single files, and those that are shipped by their name"
            raise UserError(f"there is no folder {path}: {hint}.")
    from huggingface_hub import snapshot_download

    try:
        patterns = [f"*{suffix}" for suffix in SUFFIXES] + ["*.json"]
        return Path(snapshot_download(name.removeprefix(HUB), allow_patterns=patterns, **options))
    except Exception as error:  # unknown name, no network, no access: the library has an exception for each
        raise UserError(
            f"{name} is neither a folder here nor could it be fetched from the Hugging Face hub "
            f"({first_line(error)}): check the name and the connection."
        ) from error


def _card(generator: Any, license: str, dataset: str | None) -> str:
    from cgan_lib.data import DATASETS

    config, name = generator.config, type(generator).__name__
    size, channels, classes = config["image_size"], config["channels"], config["num_classes"]
    names = DATASETS[dataset][1] if dataset in DATASETS else [str(label) for label in range(classes)]
    named = ", ".join(f"{label} {word}".removesuffix(f" {label}") for label, word in enumerate(names))
    first = "[7, 7, 3]" if classes > 7 else "[0, 0, 1]" if classes > 1 else "[0, 0, 0]"
    rows = {
        "generator": f"`{name}`, the family `{family_of(type(generator))}` of cgan_lib; "
        f"{sum(p.numel() for p in generator.parameters()):,} parameters",
        "classes": named,
        **{f"`{argument}`": value for argument, value in config.items()},
        "licence": "not stated" if license == "unknown" else license,
    }
    table = "\n".join(f"| {row} | {value} |" for row, value in rows.items())
    limits = f"It was trained on {dataset} alone and" if dataset else "It"
    return f"""\
# {name}: draws images of a class you name

![Each row one class, each column one latent vector](samples.png)

Give it a class and a latent vector, and it draws an image of {channels}×{size}×{size} numbers in [-1, 1].
Nothing in the picture above was selected.

| | |
|---|---|
{table}

## Use

```python
from cgan_lib import generate
from cgan_lib.models import {name}

generator = {name}.from_pretrained("path/of/this/folder")  # or owner/name
images = generate(generator, {first})  # uint8 (3, {channels}, {size}, {size})
```

Or, for a folder, a weight file or `hf://owner/name` of whatever family:

```python
from cgan_lib import generate, load_generator

generator = load_generator("path/of/this/folder")
images = generate(generator, {first})
```

`config.json` holds the arguments of the constructor, `{WEIGHTS_FILE}` the weights and the same arguments.

## Limits

{limits} draws nothing but its {classes} classes. Not each image would convince a person, or is read as the class asked
for: `cgan_lib.evaluate(generator)` says how many are.
"""
