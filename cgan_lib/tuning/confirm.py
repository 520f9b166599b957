"""Is what a search found better? Fresh seeds, equal budgets, and test images that chose nothing.

The winner of a study is the luckiest of its trials, too: its value is lower than what its settings score on average.
So they are trained again with seeds that the study has not seen, beside the recipe as it is and as it was published,
and measured on test images. They count as better where every seed of theirs scores lower than every one of the others:
with three seeds each, twenty ways to share out six scores, luck alone does this once in twenty times.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from cgan_lib.errors import UserError, shown
from cgan_lib.evaluation import Scores, evaluate
from cgan_lib.files import write_atomically
from cgan_lib.paths import home, make_folder
from cgan_lib.recipes import LENGTH_FIELDS, RECIPES, Recipe, check_profile, current_profile, get_recipe
from cgan_lib.runs import Run, train
from cgan_lib.tuning.study import images_of, of_length
from cgan_lib.weights import load_generator

TUNED = "tuned"
MOST_SEEDS = 100


@dataclass(frozen=True)
class Confirmation:
    """Scores on test images: name of the settings → those of each fresh seed. The first are the found ones."""

    scores: dict[str, tuple[Scores, ...]]

    def fids(self, name: str) -> list[float]:
        """FID of each seed."""
        return [each.fid for each in self.scores[name]]

    @property
    def beaten(self) -> list[str]:
        """The settings that the found ones are better than, beyond the spread of the seeds."""
        others = [name for name in self.scores if name != TUNED]
        return [name for name in others if separated(self.fids(TUNED), self.fids(name))]

    def table(self) -> str:
        """A line for each of the settings, and what follows."""
        lines = [f"{'':<16}{'FID of each seed':<26}{'mean':>8}{'± seeds':>9}{'GAN-test':>10}{'coverage':>10}"]
        for name, scores in self.scores.items():
            fids = self.fids(name)
            spread = f"{stdev(fids):.1f}" if len(fids) > 1 else "–"
            right, covered = (fmean(getattr(each, what) for each in scores) for what in ("as_requested", "coverage"))
            listed = " ".join(f"{fid:.1f}" for fid in fids)
            lines.append(f"{name:<16}{listed:<26}{fmean(fids):>8.1f}{spread:>9}{right:>9.1f}%{covered:>10.2f}")
        others = [name for name in self.scores if name != TUNED]
        return "\n".join([*lines, *(self._verdict(name) for name in others)])

    def _verdict(self, name: str) -> str:
        if name in self.beaten:
            return f"every seed of the found settings is better than every seed of {name}"
        if separated(self.fids(name), self.fids(TUNED)):
            return f"every seed of {name} is better than every seed of the found settings"
        return f"not told apart from {name}: the seeds overlap"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {name: [each.to_dict() for each in scores] for name, scores in self.scores.items()}


def separated(lower: Sequence[float], higher: Sequence[float]) -> bool:
    """Whether every one of the first values lies below every one of the second."""
    return max(lower) < min(higher)


def confirm(
    recipe: str | Recipe,
    settings: Mapping[str, Any],
    *,
    seeds: int = 3,
    study: str = "search",
    profile: str | None = None,
    device: str = "auto",
    **changes: Any,
) -> Confirmation:
    """Train found `settings` and those they are to beat with fresh seeds, with equally many images, and measure them.

    They are to beat the recipe as it is and, where there is one, `<recipe>_published`. `changes` are those of the
    study, such as `steps`. Each training is a run of its own, `<study>-<settings>-<seed>`, and goes on where it stands.
    The scores are of the generator of lowest FID beside training images; they also go into the folder of the study.
    """
    if not isinstance(seeds, int) or not 1 <= seeds <= MOST_SEEDS:
        raise UserError(f"seeds {shown(seeds)} must be a whole number from 1 to {MOST_SEEDS}.")
    profile = current_profile() if profile is None else check_profile(profile)
    recipe = recipe.replace(**changes) if isinstance(recipe, Recipe) else get_recipe(recipe, **changes)
    recipe, images = images_of(recipe, profile)
    scores: dict[str, tuple[Scores, ...]] = {}
    for name, one in _contestants(recipe, settings).items():
        runs = [
            _trained(one, f"{study}-{name}-{seed}", seed, images, profile, device) for seed in _fresh(recipe, seeds)
        ]
        scores[name] = tuple(_measured(run) for run in runs)
        print(f"{name}: FID {', '.join(f'{each.fid:.1f}' for each in scores[name])}", flush=True)
    found = Confirmation(scores)
    folder = make_folder(home() / "logs" / "studies" / recipe.dataset / recipe.name / study)
    content = {"settings": dict(settings), "images": images, "scores": found.to_dict()}
    write_atomically(folder / "confirmation.json", json.dumps(content, indent=2).encode())
    return found


def _fresh(recipe: Recipe, seeds: int) -> list[int]:
    """Seeds that no trial has had."""
    return [(recipe.seed + 1 + number) % 2**32 for number in range(seeds)]


def _contestants(recipe: Recipe, settings: Mapping[str, Any]) -> dict[str, Recipe]:
    """By name: the found settings first; the recipe's own are left out where these are what was found."""
    found = {TUNED: recipe.replace(**settings), recipe.name: recipe}
    if found[TUNED] == recipe:
        del found[recipe.name]
    usual, published = RECIPES.get(recipe.name), RECIPES.get(f"{recipe.name}_published")
    if usual and published:
        here, there = asdict(usual), asdict(published)
        differing = {name: there[name] for name in there if name not in ("name", *LENGTH_FIELDS)}
        found[published.name] = recipe.replace(**{k: v for k, v in differing.items() if v != here[k]})
    return found


def _trained(recipe: Recipe, name: str, seed: int, images: int, profile: str, device: str) -> Run:
    return train(of_length(recipe, images).replace(seed=seed), run=name, profile=profile, device=device, score="fid")


def _measured(run: Run) -> Scores:
    assert run.best  # FID chooses at each measurement, and there was one
    return evaluate(load_generator(str(run.best)), run.recipe.dataset, seeds=1)
