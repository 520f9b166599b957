"""`cgan recipes`"""

from cgan_lib.recipes import RECIPES, current_profile


def command() -> None:
    """The recipes, as a table."""
    rows = [("recipe", "model", "size", "loss", "batch", "lr", "betas", "ema", "demo steps", "full epochs")]
    for r in RECIPES.values():
        size, batch, betas = str(r.image_size), str(r.batch_size), f"({r.beta1}, {r.beta2})"
        ema = f"power {r.ema_power:g}" if r.ema_power else str(r.ema or "–")
        rows.append((r.name, r.model, size, r.loss, batch, f"{r.lr:g}", betas, ema, str(r.demo_steps), str(r.epochs)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\nprofile in force: {current_profile()} (CGAN_PROFILE=ci, demo or full)")
