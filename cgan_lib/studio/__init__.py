"""The studio: sliders that draw, and the latent space behind them."""
