"""TensorBoard as a learner opens it: two runs, one of them trained in two sittings, in a real Chromium."""

import json
import time
import urllib.request

import pytest

from cgan_lib import train

RUNS = ["digits/bce/ci", "digits/projection/ci"]


@pytest.fixture(scope="module")
def board(tmp_path_factory, tiny, tensorboard):
    """The address of a TensorBoard that has read both runs."""
    home = tmp_path_factory.mktemp("board")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGAN_HOME", str(home))
        for recipe, until in (("bce", 4), ("projection", 8), ("bce", 8)):
            train(recipe, profile="ci", steps=until, log_every=2, grid_every=4, save_every=4, score="fid", **tiny)
    with tensorboard(home / "logs") as address:
        end = time.monotonic() + 60
        while [steps(group) for group in table(address)] != [{8}, {8}]:  # it reads the files bit by bit
            assert time.monotonic() < end, "TensorBoard has not read the runs"
            time.sleep(0.1)
        yield address


def get(url, **question):
    """What TensorBoard answers to a question, which it wants as JSON."""
    data = json.dumps(question).encode() if question else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if question else {})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return json.load(answer)


def table(address):
    """The rows of the HPARAMS tab."""
    statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS"]
    question = dict(allowedStatuses=statuses, startIndex=0, sliceSize=9)
    return get(f"{address}/data/plugin/hparams/session_groups", **question).get("sessionGroups", [])


def steps(group):
    """Of which steps a row shows scores."""
    return {value["trainingStep"] for value in group.get("metricValues", []) if "score" in value["name"]["tag"]}


def test_each_run_is_one_row_of_the_hparams_table_with_its_last_scores(board, page):
    page.goto(f"{board}/#hparams")
    cells = page.locator("vaadin-grid-cell-content")
    cells.get_by_text("recall ↑").wait_for()
    titles = cells.all_inner_texts()
    assert titles[2:7] == ["batch_size", "dataset", "loss", "lr", "recipe"]
    assert titles[7:12] == ["FID ↓", "GAN-test, as requested ↑", "coverage ↑", "precision ↑", "recall ↑"]
    groups = table(board)
    assert sorted(group["name"] for group in groups) == RUNS == sorted(get(f"{board}/data/runs"))
    assert [session["status"] for group in groups for session in group["sessions"]] == ["STATUS_SUCCESS"] * 2


def test_what_belongs_together_is_drawn_in_one_chart_these_first(board, page):
    page.goto(f"{board}/#custom_scalars")
    charts = page.locator("tf-custom-scalar-multi-line-chart-card")
    for number, title in enumerate(("Is D fooled? D(x) of real, D(G(z)) of fake", "Losses of G and D")):
        charts.nth(number).get_by_text(title).wait_for()
        charts.nth(number).locator("path.line").nth(3).wait_for(state="attached")  # two as they are, two smoothed


@pytest.mark.parametrize("kind", ["scalars", "images"])
def test_every_tag_has_a_description(board, kind):
    tags = get(f"{board}/data/plugin/{kind}/tags")
    assert sorted(tags) == RUNS
    for run in RUNS:
        assert all(told["description"] for told in tags[run].values())
