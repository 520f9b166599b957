"""Published folders: a generator with everything that a stranger needs to draw with it, library or not."""

import io
import re
from pathlib import Path
from typing import Any

import torch

from cgan_lib.errors import UserError
from cgan_lib.evaluation import Scores, evaluate
from cgan_lib.files import png, staged_folder, write_atomically
from cgan_lib.models import family_of
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.models.limits import check_finite
from cgan_lib.publish.one_file import architecture
from cgan_lib.runs.about import read_about
from cgan_lib.runs.run import Run, open_run
from cgan_lib.sampling import generate, grid_inputs, tile
from cgan_lib.weights import save_generator, state_to_store
from cgan_lib.weights.description import note


def publish(
    source: Run | ConditionalGenerator | str | Path, folder: str | Path, *, scores: Scores | None = None
) -> Path:
    """Write a generator, or that of a run (itself or its folder), as a folder to publish, which is there whole or not.

    `model.safetensors` and `<dataset>_cgan_generator.pth` hold the same weights, `config.json` the constructor
    arguments and what is drawn, `cgan_architecture.py` the real source of the network (it needs nothing but torch),
    `README.md` the model card, `samples.png` ten images of each class (with more than a hundred, of some). The card has
    `scores`; a run is measured now when there are none. `UserError` when `folder` is there already (nothing is
    overwritten), for a generator of no family, or with weights that are no numbers.
    """
    folder = Path(folder)
    if folder.exists():
        raise UserError(f"{folder} exists: name a new folder, nothing is overwritten.")
    if isinstance(source, (str, Path)):
        source = open_run(source)
    if not isinstance(source, Run):
        return _write(source, folder, {"rows": _scored(scores)})
    recipe = source.recipe
    scores = scores or evaluate(source.generator, recipe.dataset)
    card = {"title": recipe.name, "rows": _trained(source) | _scored(scores)}
    return _write(source.generator, folder, card, recipe.seed, **_facts(source))


def _write(generator: ConditionalGenerator, folder: Path, card: dict[str, Any], seed: int = 0, **facts: Any) -> Path:
    check_finite(generator)
    weights = io.BytesIO()
    torch.save(note(state_to_store(generator, half=False), generator, family_of(generator)), weights)
    weights_file = re.sub(r"\W", "_", f"{generator.dataset}_cgan_generator".lstrip("_")) + ".pth"
    z, wanted = grid_inputs(generator.config["num_classes"], generator.config["latent_dim"], seed)
    source, picture = architecture(family_of(generator)), png(tile(generate(generator, wanted, z=z)))
    with staged_folder(folder) as partial:
        generator.save_pretrained(partial, model_card_kwargs={"weights_file": weights_file, **card})
        save_generator(generator, partial / "model.safetensors", **facts)  # anew, so that it says itself what it is
        write_atomically(partial / weights_file, weights.getbuffer())
        write_atomically(partial / "cgan_architecture.py", source.encode())
        write_atomically(partial / "samples.png", picture)
    return folder


def _facts(run: Run) -> dict[str, Any]:
    """What the weight file says of the training: the recipe, how long, and on which pictures."""
    known = read_about(run.folder)
    pictures = {"images": known.images, "fingerprint": known.fingerprint} if known else {}
    return dict(recipe=run.recipe.name, steps=run.step, seconds=round(run.seconds)) | pictures


def _trained(run: Run) -> dict[str, str]:
    """Rows of the card: how a run was trained."""
    recipe = run.recipe
    return {
        "training": f"{run.step:,} steps of {recipe.batch_size} images, {run.seconds:.0f} s; "
        f"loss {recipe.loss}, lr {recipe.lr:g}",
        "weights": "average (EMA) over the last steps" if recipe.averages else "of the last step",
    }


def _scored(scores: Scores | None) -> dict[str, str]:
    """Rows of the card: what was measured, if anything."""
    if scores is None:
        return {}
    rows = {
        "as requested": f"{scores.as_requested:.1f}% of {scores.count:,} images, read by a classifier",
        "worst class": f"{scores.worst_class:.1f}%",
        "diversity within a class": f"{scores.diversity:.2f} of real images (least diverse class: "
        f"{scores.least_diverse:.2f})",
    }
    if scores.real:
        rows["as requested"] += f" that is right on {scores.real.as_requested:.1f}% of real images"
    return rows
