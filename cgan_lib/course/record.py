"""How the record fell: from the recipe `relativistic` to `speedrun`, one idea after the other (notebook 05)."""

from typing import Any

from cgan_lib.recipes import Recipe, get_recipe

IDEAS: dict[str, dict[str, Any]] = {
    "rates fall to zero": dict(lr_halved_at=0, lr_to_zero=True),
    "higher rate": dict(lr=3e-3),
    "auxiliary classifier": dict(auxiliary=1.0),
    "small networks": dict(model="subpixel", embed_dim=32),
    "short z": dict(latent_dim=24),
    "average by power": dict(ema=0.0, ema_power=10.0),
}
"""what each idea changes in what the ideas before it have made of `relativistic`"""

FAILED: dict[str, dict[str, Any]] = {
    "beta1 of 0.5": dict(beta1=0.5),
    "rate of 0.01": dict(lr=1e-2),
    "z of 8": dict(latent_dim=8),
    "penalty of 0.03": dict(penalty_weight=0.03),
    "batches of 128": dict(batch_size=128),
    "hinge loss": dict(loss="hinge", penalty_weight=None, penalty_every=1),
}
"""what was tried on `speedrun`, and left out"""


def ladder() -> dict[str, Recipe]:
    """`relativistic`, then with each idea added to those before: name → recipe."""
    recipe = get_recipe("relativistic")
    rungs = {recipe.name: recipe}
    for name, changes in IDEAS.items():
        recipe = recipe.replace(**changes)
        rungs[f"+ {name}"] = recipe
    return rungs


def failures() -> dict[str, Recipe]:
    """`speedrun` with one idea more, which did not help: name → recipe."""
    return {name: get_recipe("speedrun", **changes) for name, changes in FAILED.items()}
