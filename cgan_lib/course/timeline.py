"""Papers on the way from the first GAN to one-step models of today, and what each of them solved: notebook 10."""

from typing import NamedTuple

from cgan_lib.figures import COLOURS, INK, LITERAL, WIDTH, house_style

GAN, FLOW, BOTH = "GANs", "diffusion and flows", "one pass again"
LANES = {GAN: COLOURS["G"], FLOW: COLOURS["D"], BOTH: INK}


class Paper(NamedTuple):
    """A paper: the year in which it was first made public, as a preprint or at its conference."""

    year: int
    name: str
    """what the field calls its idea"""
    authors: str
    arxiv: str
    solved: str
    lane: str


PAPERS = [
    Paper(2014, "GAN", "Goodfellow et al.", "1406.2661", "images without a density: a game of two networks", GAN),
    Paper(2014, "conditional GAN", "Mirza & Osindero", "1411.1784", "asking for a class", GAN),
    Paper(
        2015, "diffusion", "Sohl-Dickstein et al.", "1503.03585", "a fixed way to noise, and a learned way back", FLOW
    ),
    Paper(2015, "DCGAN", "Radford et al.", "1511.06434", "convolutional networks that train without luck", GAN),
    Paper(2016, "AC-GAN", "Odena et al.", "1610.09585", "classes of ImageNet, with a classifier inside D", GAN),
    Paper(2017, "WGAN", "Arjovsky et al.", "1701.07875", "a loss that sees distance where nothing overlaps", GAN),
    Paper(2017, "WGAN-GP", "Gulrajani et al.", "1704.00028", "a bound on the slope of D by a penalty", GAN),
    Paper(2018, "projection", "Miyato & Koyama", "1802.05637", "a thousand classes in one D, by a dot product", GAN),
    Paper(2018, "BigGAN", "Brock et al.", "1809.11096", "scale: large batches and networks, and truncation", GAN),
    Paper(2018, "StyleGAN", "Karras et al.", "1812.04948", "faces of 1024×1024, and control over their style", GAN),
    Paper(2020, "DDPM", "Ho et al.", "2006.11239", "diffusion as plain regression, as sharp as GANs", FLOW),
    Paper(2021, "ADM", "Dhariwal & Nichol", "2105.05233", "better FID than BigGAN on ImageNet, with recall", FLOW),
    Paper(2022, "guidance", "Ho & Salimans", "2207.12598", "clearer classes, without a classifier", FLOW),
    Paper(2022, "rectified flow", "Liu et al.", "2209.03003", "straight paths: fewer passes", FLOW),
    Paper(2022, "flow matching", "Lipman et al.", "2210.02747", "any path to noise, by the same regression", FLOW),
    Paper(2023, "consistency", "Song et al.", "2303.01469", "from any point of a path to its end in one pass", BOTH),
    Paper(2023, "ADD (SDXL Turbo)", "Sauer et al.", "2311.17042", "1 to 4 passes, made sharp by a discriminator", BOTH),
    Paper(
        2024, "DMD2", "Yin et al.", "2405.14867", "one-step students that match a distribution, with a GAN loss", BOTH
    ),
    Paper(2024, "R3GAN", "Huang et al.", "2501.05441", "a GAN without tricks: relativistic loss, two penalties", GAN),
    Paper(
        2025, "MeanFlow", "Geng et al.", "2505.13447", "one pass without a teacher: the mean velocity is learned", BOTH
    ),
]


def table() -> str:
    """All papers as a table in Markdown, each with its link."""
    rows = [
        f"| {paper.year} | {paper.name} | {paper.authors}, [arXiv:{paper.arxiv}](https://arxiv.org/abs/{paper.arxiv}) "
        f"| {paper.solved} |"
        for paper in PAPERS
    ]
    return "\n".join(["| year | idea | paper | what it solved |", "|---|---|---|---|", *rows])


@house_style()
def show_timeline() -> None:
    """Draw the papers as they came, a column for each lane of ideas."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(WIDTH, 0.3 * len(PAPERS) + 0.8))
    for column, (lane, colour) in enumerate(LANES.items()):
        axes.axvline(column, color=colour, linewidth=1.5, alpha=0.35)
        axes.text(column, -1.1, lane, color=colour, fontweight="bold", va="center")
        for row, paper in enumerate(PAPERS):
            if paper.lane == lane:
                axes.scatter(column, row, s=50, color=colour, zorder=3)
                axes.text(column + 0.04, row, paper.name, va="center", **LITERAL)
    years = [paper.year for paper in PAPERS]
    first = [row for row, year in enumerate(years) if row == 0 or years[row - 1] != year]
    axes.set_yticks(first, [str(years[row]) for row in first])
    axes.set(xlim=(-0.1, len(LANES) - 0.1), ylim=(len(PAPERS) - 0.5, -1.7), xticks=[])
    axes.spines[:].set_visible(False)
    plt.show()
