"""What changes from step to step: the random seed, the learning rates, how far back an average of weights reaches."""

from cgan_lib.recipes import Recipe


def lr_factor(recipe: Recipe, step: int, length: int) -> float:
    """What the learning rates of a recipe are multiplied with at a step, in a training of `length` steps.

    They fall as 1/t in the long run, which is what stochastic approximation asks for (Heusel et al. 2017), or in a
    straight line to zero at `length`.
    """
    if recipe.lr_to_zero:
        return max(0.0, 1 - step / length)
    return 1 / (1 + step / recipe.lr_halved_at) if recipe.lr_halved_at else 1.0


def ema_decay(recipe: Recipe, step: int) -> float:
    """What part of themselves the averaged weights keep at a step.

    The part grows, min(ema, (1 + t) / (10 + t)), so that the random start is soon forgotten. With `ema_power` γ it is
    (t / (t + 1))^(γ + 1), and so the average reaches back over a fixed part of the run (Karras et al. 2024, section
    3.1).
    """
    if power := recipe.ema_power:
        return (step / (step + 1)) ** (power + 1)
    return min(recipe.ema, (1 + step) / (10 + step))


def seed_of_step(seed: int, step: int) -> int:
    """32 bits, different for every step of a run: the odd multiplier is 2³² divided by the golden ratio."""
    return (seed * 0x85EBCA6B + step * 0x9E3779B1) % 2**32
