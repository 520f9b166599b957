"""The benchmark of several processes: its arithmetic, its pieces, and the page that quotes it."""

import json
from pathlib import Path

import pytest
import scaling
import torch

from cgan_lib import RECIPES, load_data
from cgan_lib.training import Trainer

ROOT = Path(__file__).resolve().parents[1]


def test_efficiency_is_the_share_of_a_step_that_is_not_spent_on_sums():
    nothing, waits = dict(sums=0, bytes=0), dict(sums=10, bytes=0)
    assert scaling.efficiency(nothing, 16) == 1
    assert scaling.efficiency(waits, 1, step_ms=1.8) == pytest.approx(0.9)  # 10 messages of 0.02 ms
    assert scaling.efficiency(waits, 4, step_ms=1.2) == pytest.approx(0.6)  # of 0.02 + 2 · 0.03 ms
    sends = dict(sums=0, bytes=200e6)  # 1 ms at 200 GB/s, of which a ring sends 2 · 7/8
    assert scaling.efficiency(sends, 1, step_ms=1.75) == pytest.approx(0.5)
    assert scaling.efficiency(sends, 2) < scaling.efficiency(sends, 1)


def test_one_process_is_timed_with_the_whole_batch_and_with_half():
    recipe = RECIPES["relativistic"].replace(base_channels=8, base_channels_d=8, batch_size=8, dataset="digits")
    trainer = Trainer(recipe, load_data("digits"), "cpu")
    assert scaling.milliseconds({"one": trainer}, rounds=1)["one"] > 0
    assert trainer.step == scaling.STEPS_A_TURN * (1 + scaling.WARM_UP_TURNS)
    assert {name: scaling.settings(name)[0].batch_size % scaling.PROCESSES for name in scaling.OURS} == dict.fromkeys(
        scaling.OURS, 0
    )


def test_what_ddp_is_compared_by_makes_the_same_step():
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        recipe = RECIPES["relativistic"].replace(base_channels=8, base_channels_d=8, batch_size=8, dataset="digits")
        recipe = recipe.replace(precision="fp32", penalty_every=2)
        ours, theirs = Trainer(recipe, load_data("digits"), "cpu"), scaling.WithDDP(recipe, load_data("digits"))
        for trainer in (ours, theirs):
            trainer.fit(4)
        for one, other in zip(
            ours.parameters_d + ours.parameters_g, theirs.parameters_d + theirs.parameters_g, strict=True
        ):
            torch.testing.assert_close(one, other)
    finally:
        torch.distributed.destroy_process_group()


def test_the_page_quotes_the_results():
    results = json.loads((ROOT / "benchmarks" / "results" / "scaling.json").read_text("utf-8"))
    assert [row["recipe"] for row in results["rows"]] == list(scaling.OURS)
    page = (ROOT / "docs" / "parallel.md").read_text("utf-8")
    quoted = page.partition("<!-- scaling:begin -->")[2].partition("<!-- scaling:end -->")[0]
    assert quoted.strip() == scaling.tables(results).strip()
