"""The clock of `benchmarks/time_to_quality.py` and `record.py`: what fits into a budget, what docs quote."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import time_to_quality as clock

from cgan_lib.recipes import get_recipe

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = (ROOT / "docs" / "measurements.md").read_text("utf-8")


def quoted(name: str) -> str:
    return PAGE.partition(f"<!-- {name}:begin -->")[2].partition(f"<!-- {name}:end -->")[0].strip()


def test_as_many_steps_are_taken_as_fit(monkeypatch):
    monkeypatch.setattr(clock, "trained", lambda recipe, steps, processes: SimpleNamespace(seconds=2 + 0.02 * steps))
    monkeypatch.setattr(clock, "WARM_UP", 50)
    assert clock.steps_in(get_recipe("speedrun"), [12.0, 1.0], 1) == pytest.approx([500, 1], abs=1)


def test_a_longer_run_starts_at_a_lower_rate_and_a_shorter_one_does_not():
    recipe = get_recipe("speedrun")
    rates = [clock.suited(recipe, steps).lr for steps in (recipe.demo_steps // 2, recipe.demo_steps * 4)]
    assert rates == pytest.approx([recipe.lr, recipe.lr / 2])


def row(seed: int, seconds: float, percent: float, floors: float) -> dict:
    return dict(seed=seed, seconds=seconds, as_requested=percent, floors=floors)


def test_a_mark_is_reached_when_most_seeds_have_both_parts_of_it():
    rows = [row(0, 20, 99.1, 6.0), row(0, 45, 99.1, 4.0), row(1, 20, 98.9, 3.0), row(1, 45, 99.2, 3.0)]
    rows += [row(2, 20, 99.3, 2.0), row(2, 45, 98.0, 2.0)]
    assert clock.reached(rows, (99.0, 5.0)) == 45
    assert clock.reached(rows, (99.2, 3.0)) == 45
    assert clock.reached(rows, (99.25, 3.0)) is None


def test_docs_quote_the_clock():
    results = json.loads((RESULTS / "time_to_quality.json").read_text("utf-8"))
    assert quoted("clock") == clock.table(results).strip()
    assert quoted("budgets") == clock.budgets_table([r for r in results["rows"] if r["recipe"] == "speedrun"]).strip()
