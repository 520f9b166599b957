"""What a run tells TensorBoard about itself: what its tags mean, what shares a chart, its hyper-parameters."""

import re
import signal

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.util.tensor_util import make_ndarray

from cgan_lib import train
from cgan_lib.losses import LOSSES
from cgan_lib.runs.tensorboard_layout import DESCRIPTIONS, HPARAMS_SHOWN, layout, tag_of


def reader(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


@pytest.fixture(scope="module", params=["bce", "projection"])  # a loss of probabilities, and one of logits
def events(request, tmp_path_factory, tiny):
    """A run that was trained in two sittings, and has a score of its own."""
    settings = dict(log_every=2, grid_every=4, save_every=4, score=lambda generator: 1.0, **tiny)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGAN_HOME", str(tmp_path_factory.mktemp("board")))
        for steps in (4, 8):
            run = train(request.param, run="mine", profile="ci", steps=steps, **settings)
    assert {path.parent for path in run.folder.rglob("events.*")} == {run.folder}  # another folder is another run
    return reader(run.folder)


def test_every_tag_says_what_it_is_and_has_no_bracket(events):
    tags = [*events.Tags()["scalars"], *events.Tags()["images"]]
    assert len(tags) == 9 + 6 + 19 + 2  # curves, scores, vital signs, pictures
    for tag in tags:
        assert re.fullmatch(r"[\w/]+", tag)  # in CUSTOM SCALARS "tag (run)" is a line, and taken apart at the bracket
        said = events.SummaryMetadata(tag).summary_description
        assert len(said) > 60
        assert not re.search(r"^\s", said, re.MULTILINE)  # Markdown would take it for code


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_what_the_discriminator_thinks_is_one_chart_of_two_lines_that_comes_first(loss):
    verdicts = {tag_of(name) for name in LOSSES[loss].verdicts(torch.zeros(2), torch.zeros(2))}
    assert verdicts < DESCRIPTIONS.keys()
    (first, second), *_ = charts(layout(LOSSES[loss].probabilities).value[0])
    assert matched(first, {*verdicts, "loss/D", "x/" + min(verdicts)}) == verdicts
    assert matched(second, DESCRIPTIONS) == {"loss/D", "loss/G"}


def charts(value):
    """The regular expressions of the charts, category by category."""
    content = Layout.FromString(make_ndarray(value.tensor).item())
    return [[chart.multiline.tag for chart in category.chart] for category in content.category]


def matched(regexes, tags):
    return {tag for tag in tags if any(re.match(regex, tag) for regex in regexes)}


def test_every_chart_has_lines_and_every_loss_the_same_categories(events):
    (point,) = events.Tensors("custom_scalars__config__")
    content = Layout.FromString(make_ndarray(point.tensor_proto).item())
    tags = events.Tags()["scalars"]
    for category in content.category:
        for chart in category.chart:
            assert matched(chart.multiline.tag, tags), chart.title
    categories = {tuple(map(len, charts(layout(probabilities).value[0]))) for probabilities in (False, True)}
    assert categories == {tuple(len(category.chart) for category in content.category)}


def test_a_run_is_one_session_with_its_hyper_parameters_and_its_end(events):
    plugin = events.PluginTagToContent("hparams")
    experiment = metadata.parse_experiment_plugin_data(plugin[metadata.EXPERIMENT_TAG])
    shown = {info.name for info in experiment.hparam_infos if info.differs}
    assert shown == set(HPARAMS_SHOWN)
    assert len(shown) == 5  # TensorBoard shows five
    start = metadata.parse_session_start_info_plugin_data(plugin[metadata.SESSION_START_INFO_TAG])
    assert start.hparams["recipe"].string_value in ("bce", "projection")
    assert start.hparams["batch_size"].number_value == 8
    assert set(start.hparams) <= {info.name for info in experiment.hparam_infos}
    metrics = [info.name.tag for info in experiment.metric_infos]
    assert metrics[:2] == ["score/fid", "score/as_requested"]
    assert set(metrics) <= set(events.Tags()["scalars"])
    end = metadata.parse_session_end_info_plugin_data(plugin[metadata.SESSION_END_INFO_TAG])
    assert end.status == api_pb2.STATUS_SUCCESS


def test_a_run_that_is_stopped_has_not_come_to_its_end(home, tiny, at_step):
    at_step(2, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train("bce", steps=4, **tiny)
    plugin = reader(home / "logs" / "digits" / "bce" / "ci").PluginTagToContent("hparams")
    assert plugin.keys() == {metadata.EXPERIMENT_TAG, metadata.SESSION_START_INFO_TAG}
