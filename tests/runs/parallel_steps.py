"""What two processes compute, run by torchrun from test_parallel.py: python parallel_steps.py OUT.

The first process writes what all combinations gave. Alone it does the same, with the whole batch.
"""

import sys
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from cgan_lib import UserError, load_data, parallel
from cgan_lib.losses import LOSSES
from cgan_lib.models import MODELS
from cgan_lib.recipes import Recipe
from cgan_lib.training import Trainer

STEPS = 2


def recipes() -> dict[str, Recipe]:
    """Every family with every loss that it takes; some with all that draws at random, or moves in a rhythm."""
    found = {}
    for model, family in MODELS.items():
        for loss in LOSSES:
            some = {"feature_dim": 8} if "feature_dim" in family.options else {}
            some |= {"grow_every": 1} if family.grows else {}
            shape = dict(image_size=16, latent_dim=6, embed_dim=5, base_channels=8, base_channels_d=4, batch_size=8)
            try:
                recipe = Recipe("r", model, loss=loss, dropout=0.25, precision="fp32", ema=0.5, **shape, **some)
            except UserError:  # a penalty, and BatchNorm in the discriminator
                continue
            found[f"{model} {loss}"] = recipe
    everything: dict = dict(augment="translation+colour+cutout", balanced=True, n_dis=2, penalty_every=2)
    found["everything"] = found["dropout wasserstein"].replace(**everything)
    found["bf16"] = found["bce bce"].replace(precision="bf16")
    found["fp16"] = found["projection hinge"].replace(precision="fp16")
    return found


def steps(recipe: Recipe, data) -> Iterator[dict[str, Tensor]]:
    """Gradients, weights, statistics and metrics after each step."""
    trainer = Trainer(recipe, data, "cpu")
    for step in range(STEPS):
        metrics: list[dict] = []
        trainer.fit(step + 1, lambda found, kept=metrics: kept.append(found) or True)
        parts = {"G": trainer.generator, "D": trainer.discriminator, "average": trainer.averaged}
        seen = {f"metric {name}": value for name, value in metrics[0].items()}
        for part, network in parts.items():
            for name, p in network.named_parameters():
                seen[f"{part} weight {name}"] = p.detach().clone()
                if p.grad is not None:
                    seen[f"{part} gradient {name}"] = p.grad.clone()
            seen |= {f"{part} buffer {name}": buffer.clone() for name, buffer in network.named_buffers()}
        yield seen


def all_steps() -> dict[str, list[dict[str, Tensor]]]:
    warnings.simplefilter("ignore")
    data = load_data("digits", image_size=16)
    return {name: [*steps(recipe, data)] for name, recipe in recipes().items()}


def main() -> None:
    torch.set_num_threads(1)
    parallel.join()
    found = all_steps()
    everyones = parallel.gathered(torch.stack([_digest(of_recipe) for of_recipe in found.values()]))
    if parallel.is_first():
        torch.save({"found": found, "alike": [torch.equal(one, everyones[0]) for one in everyones]}, sys.argv[1])


def _digest(of_recipe: list[dict[str, Tensor]]) -> Tensor:
    numbers = [torch.cat([t.flatten().double() for t in seen.values()]) for seen in of_recipe]
    return torch.stack([each.nan_to_num(0, 0, 0).norm() for each in numbers])  # fp16 overflows at first


if __name__ == "__main__":
    main()
