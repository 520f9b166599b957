"""Diagrams of the course, drawn by code: the game of a conditional GAN, and the ways a label gets in."""

from typing import TYPE_CHECKING

from torch import Tensor

from cgan_lib.figures import COLOURS, INK, SMALL, WIDTH, house_style, ink_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL, NEUTRAL = "#e9b949", "#ece8df"


@house_style()
def draw_game(real: Tensor, fake: Tensor, labels: list[int]) -> None:
    """The game in one picture, with three real and three fake images uint8 (3,1,H,W) of these labels."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(WIDTH, 4.4))
    axes.axis("off")
    _box(axes, 0.1, 3.0, 1.5, 0.8, "z\nrandom style", NEUTRAL)
    _box(axes, 0.1, 1.65, 1.5, 0.8, f"labels\n{', '.join(map(str, labels))}", LABEL)
    _box(axes, 2.4, 2.75, 1.9, 1.2, "generator\nG(z, labels)", COLOURS["G"])
    _box(axes, 7.0, 1.45, 1.9, 1.2, "discriminator\nD(x, labels)", COLOURS["D"])
    _box(axes, 9.55, 1.65, 0.85, 0.8, "logit", NEUTRAL)
    for top, images, name in ((2.95, fake, "fake"), (0.25, real, "real")):
        for index, image in enumerate(images[:3]):
            left = 4.95 + 0.55 * index
            axes.imshow(image[0].numpy(), cmap="gray", extent=(left, left + 0.5, top + 0.15, top + 0.65), zorder=3)
        axes.text(5.75, top - 0.02, name, ha="center", va="center", color=INK)
    axes.text(5.75, 1.05, "data set", ha="center", va="center", color=INK, style="italic")
    _arrow(axes, (1.6, 3.4), (2.4, 3.4))
    _arrow(axes, (1.6, 2.2), (2.4, 2.9), LABEL)
    _arrow(axes, (1.6, 2.0), (7.0, 2.0), LABEL)
    _arrow(axes, (4.3, 3.35), (4.9, 3.35))
    _arrow(axes, (6.65, 3.3), (7.3, 2.65))
    _arrow(axes, (6.65, 0.65), (7.3, 1.45))
    _arrow(axes, (8.9, 2.05), (9.55, 2.05))
    axes.text(9.97, 2.6, "real?", ha="center", color=INK)
    back = dict(arrowstyle="-|>", color=COLOURS["G"], ls="--", connectionstyle="arc3,rad=0.2")
    axes.annotate("", (3.35, 3.98), (9.97, 2.85), arrowprops=back)
    axes.text(7.6, 4.3, "gradient: how to look more real", color=INK, ha="center")
    axes.set_aspect("equal")
    axes.set(xlim=(0, 10.5), ylim=(0, 4.9))
    plt.show()


@house_style()
def draw_conditioning() -> None:
    """The three families of notebook 01 side by side: where the label enters G and D, with shapes."""
    import matplotlib.pyplot as plt

    families = {
        "bce": (
            ["z (100) ⊕ label vector (20)", "Linear → 128×7×7", "2 × ConvT + BatchNorm", "tanh 1×28×28"],
            ["image ⊕ label plane: 2×28×28", "2 × Conv + BatchNorm", "flatten", "logit"],
        ),
        "dropout": (
            ["z (100) ⊕ label vector (50)", "Linear + BatchNorm → 256×7×7", "2 × ConvT + BatchNorm", "tanh 1×28×28"],
            ["image ⊕ label plane: 2×28×28", "2 × Conv + dropout 0.3", "flatten", "logit"],
        ),
        "spatial": (
            [
                "z (100): Linear → 128×7×7",
                "features ⊕ label map: 129×7×7",
                "2 × ConvT + BatchNorm, Conv",
                "tanh 1×28×28",
            ],
            ["image ⊕ label plane: 2×28×28", "2 × Conv + BatchNorm", "global max pooling, dropout 0.4", "logit"],
        ),
    }
    figure, panels = plt.subplots(1, 3, figsize=(WIDTH, 5))
    for axes, (name, (generator, discriminator)) in zip(panels, families.items(), strict=True):
        axes.set(xlim=(0, 4), ylim=(0, 10.8))
        axes.set_title(name, fontweight="bold")
        axes.axis("off")
        for top, network, steps in ((10.6, "generator", generator), (5.1, "discriminator", discriminator)):
            axes.text(2, top - 0.2, network, ha="center", va="center")
            for index, text in enumerate(steps):
                colour = LABEL if "⊕" in text else COLOURS[network[0].upper()]
                _box(axes, 0.02, top - 1.1 * index - 1.35, 3.96, 0.85, text, colour, SMALL)
    figure.suptitle("⊕, yellow: where the label enters")
    plt.show()


def _box(
    axes: "Axes",
    left: float,
    bottom: float,
    width: float,
    height: float,
    text: str,
    colour: str,
    size: int = 12,
) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, boxstyle=style, facecolor=colour, edgecolor="none"))
    axes.text(
        left + width / 2, bottom + height / 2, text, ha="center", va="center", color=ink_on(colour), fontsize=size
    )


def _arrow(axes: "Axes", start: tuple[float, float], end: tuple[float, float], colour: str = INK) -> None:
    axes.annotate("", end, start, arrowprops=dict(arrowstyle="-|>", color=colour, shrinkA=2, shrinkB=2))
