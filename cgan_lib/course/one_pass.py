"""One pass again: a flow becomes the generator of a GAN, whose discriminator makes its single pass sharp (notebook 10).

The idea of adversarial distillation (Sauer et al. 2023) at its smallest: what the flow has learned is where it begins.
"""

from cgan_lib.course.flow import FlowGenerator
from cgan_lib.course.timed import until_over
from cgan_lib.data import ImageData
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.recipes import RECIPES
from cgan_lib.training import Trainer

LR = 1e-3  # half of the recipe's: what was learned is to be kept


def in_one_pass(flow: FlowGenerator, data: ImageData, seconds: float) -> ConditionalGenerator:
    """A copy of the flow that draws in one pass, trained for so many seconds by the recipe `relativistic`.

    The discriminator is that of the recipe, and begins anew; the flow itself stays as it is.
    """
    recipe = RECIPES["relativistic"]
    recipe = recipe.replace(latent_dim=flow.config["latent_dim"], lr=LR, lr_d=recipe.lr)
    trainer = Trainer(recipe, data, start=flow.drawing(1))
    trainer.fit(2**31, until_over(seconds))
    print(f"{trainer.step:,} steps in {seconds:.0f} s")
    return trainer.sampler.cpu()
