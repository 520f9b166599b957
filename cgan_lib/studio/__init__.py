"""The studio: sliders that draw, and the latent space behind them."""

from cgan_lib.studio.finder import draw_and_find
from cgan_lib.studio.widgets import explore

__all__ = ["draw_and_find", "explore"]
