"""The studio: sliders that draw, and the latent space behind them.

`explore` is in `widgets`, `draw_and_find` in `finder`: importing the room alone needs no widgets.
"""
