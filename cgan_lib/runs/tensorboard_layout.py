"""How TensorBoard shows a run: what each curve means, which share a chart, and the table of hyper-parameters."""

from dataclasses import asdict
from inspect import cleandoc
from typing import Any

from cgan_lib.evaluation.scores import ROWS
from cgan_lib.recipes import LENGTH_FIELDS, Recipe

# Curve → its tag, where that is another. No tag has a bracket: CUSTOM SCALARS draws no line of one that has. Groups of
# tags are listed by the alphabet: what only explains the others is called technical, to come after loss and score.
TAGS = {
    "probability/D(x)": "probability/real",
    "probability/D(G(z))": "probability/fake",
    "gradient_norm/G": "technical/gradient_norm/G",
    "gradient_norm/D": "technical/gradient_norm/D",
    "learning_rate/G": "technical/learning_rate/G",
    "learning_rate/D": "technical/learning_rate/D",
    "images_per_second": "technical/images_per_second",
}
NAMES = {tag: name for name, tag in TAGS.items()}

# Tag → what it is, and what it looks like when all is well, in Markdown
DESCRIPTIONS = {
    "loss/G": """
        What the **generator** minimises. *Healthy:* it wavers around a level. It says little about the pictures, since
        the opponent learns too. Rising for good while `loss/D` nears 0: D has won, and G learns no more.""",
    "loss/D": """
        What the **discriminator** minimises, without a gradient penalty. *Healthy:* between 0 and what guessing costs
        (1.39 with bce, 2 with hinge, 0.69 with relativistic). At 0 for good: D is too strong for G.""",
    "probability/real": """
        D(x): the mean probability of “real” that D gives to **real** images. *Healthy:* above ½, and coming down
        towards `probability/fake` as fakes become hard to tell. Both at ½: D guesses.""",
    "probability/fake": """
        D(G(z)): the mean probability of “real” that D gives to **fakes**. *Healthy:* below ½, and coming up towards
        `probability/real`. At 0 for good: D is never fooled, and G learns little.""",
    "logit/real": """
        The mean score, without bounds, that D gives to **real** images. *Healthy:* above `logit/fake`, by an amount
        that does not grow for ever. It means something only beside the other.""",
    "logit/fake": """
        The mean score, without bounds, that D gives to **fakes**. *Healthy:* below `logit/real`, by little when fakes
        are hard to tell. It means something only beside the other.""",
    "score/fid": """
        **FID**: the distance between fakes and real training images, in the features of our classifier. Lower is
        better. Of few images, and so higher than what `evaluate` finds: follow it from step to step.""",
    "score/precision": """
        Share of the fakes that lie among real images: **do they look real?** Higher is better, up to 1.""",
    "score/recall": """
        Share of the real images that lie among fakes: **is every style there?** Higher is better, up to 1.""",
    "score/coverage": """
        Share of the real images that have a fake nearby: **how much of the data is drawn?** Higher is better, up to 1.
        Falling while `as_requested` stays high: the generator collapses.""",
    "score/as_requested": """
        Percent of the fakes that our classifier reads as the **class that was asked for** (GAN-test). Higher is better,
        up to 100. A collapsed generator has this too: read it beside FID or coverage.""",
    "score/score": """
        The score of your own, given as `score=`. Lower is better: the generator of the lowest one is kept.""",
    "samples/fake": """
        **Fakes**: row r is class r, column c always the same latent `z`; move the step to see them change. *Healthy:*
        rows that can be read, columns that differ. All columns alike: mode collapse.""",
    "samples/real": """
        **Real** training images, row r of class r, others at each step: what fakes should look like.""",
    "technical/gradient_norm/G": """
        Length of the gradient of all weights of the **generator**. *Healthy:* neither 0, where nothing is learned, nor
        growing from step to step, which ends in NaN.""",
    "technical/gradient_norm/D": """
        Length of the gradient of all weights of the **discriminator**. *Healthy:* neither 0 nor growing from step to
        step. Single spikes do little harm: Adam divides by their size.""",
    "technical/learning_rate/G": """
        Adam's learning rate of the **generator**: `lr`, falling if `lr_halved_at` says so.""",
    "technical/learning_rate/D": """
        Adam's learning rate of the **discriminator**: `lr_d`, or else `lr`, falling alike.""",
    "technical/images_per_second": """
        Real images that went through a training step in a second, without the time of grids, checkpoints and scores.
        *Healthy:* level. A dip: another program had the processor.""",
    "vitals/real_lowest": """
        The lowest value of **real** images as D sees them. *Healthy:* -1, as low as a generator with tanh draws.""",
    "vitals/real_highest": """
        The highest value of **real** images as D sees them. *Healthy:* 1, as high as a generator with tanh draws.""",
    "vitals/logit_lowest": """
        The lowest logit that D gives to a few reals and fakes. *Healthy:* below 0. From 0 to 1 for good: there is a
        sigmoid in D, and the loss adds another.""",
    "vitals/logit_highest": """
        The highest logit that D gives to a few reals and fakes. *Healthy:* above 0, and not below 1 for good.""",
    "vitals/label_drop": """
        By how much D's logit of a real image falls when its **label is exchanged**, in deviations of all logits.
        *Healthy:* clearly above 0. Near 0: D has not learned which label belongs to which image.""",
    "vitals/label_change": """
        By how much D's logit of a real image changes, up or down, when its **label is exchanged**. *Healthy:* like
        `vitals/label_drop`. At 0: D never sees the label.""",
    "vitals/separated": """
        Of pairs of a real and a fake, the share in which D gives the real the higher logit. *Healthy:* above ½, and
        below 1 once G has learned. At 1 for good: D is far too strong.""",
    "vitals/z_moves": """
        Mean change of a pixel, from -1 to 1, when G gets **another `z`** for the same label. Near 0: collapse.""",
    "vitals/label_moves": """
        Mean change of a pixel, from -1 to 1, when G gets **another label** for the same `z`. *Healthy:* soon about as
        large as `vitals/z_moves`.""",
    "vitals/drawing_differs": """
        Mean difference of a pixel between the samples as they are drawn and what the same generator gives in
        evaluation mode. *Healthy:* 0.""",
    "vitals/statistics_lag": """
        How far BatchNorm's statistics in the averaged generator are from those of the generator, over their size.
        *Healthy:* 0, they are copied.""",
    "vitals/nearest": """
        Distance of a fake to the nearest of up to 2,000 real images, over the same between real images; a median.
        *Healthy:* about 1. Far below: fakes are **copies**.""",
    "vitals/step_size/G": """
        How far one step moves the weights of the **generator**, over their length. *Healthy:* a percent or a few.""",
    "vitals/step_size/D": """
        How far one step moves the weights of the **discriminator**, over their length. *Healthy:* like that of G.""",
    "vitals/gradient_repeats/G": """
        Cosine of two gradients of the **generator**, one step after the other. *Healthy:* far below 1. At 1: the old
        gradient is never cleared.""",
    "vitals/gradient_repeats/D": """
        Cosine of two gradients of the **discriminator**, one step after the other. *Healthy:* far below 1.""",
    "vitals/gradient_leaks": """
        The gradient that D's step leaves in the **generator**, over the one that G moves by. *Healthy:* 0.""",
    "vitals/latents_repeat": """
        Share of the numbers of `z` that are those of the step before. *Healthy:* 0. At 1: `z` is never drawn anew.""",
    "vitals/normalised_together": """
        Images that a BatchNorm layer of D sees at once, in batches. *Healthy:* 1, or 0 where it has none. At 2: reals
        and fakes share their statistics.""",
}

# The HPARAMS tab shows the first five of each without a click: hyper-parameters that differ, by name, then the others
HPARAMS_SHOWN = ("recipe", "loss", "lr", "dataset", "batch_size")
METRICS = {
    **{f"score/{name}": ROWS[name][0] for name in ("fid", "as_requested", "coverage", "precision", "recall")},
    **{name: name for name in ("loss/G", "loss/D", "gradient_norm/G", "gradient_norm/D", "images_per_second")},
}


def tag_of(name: str) -> str:
    """Under which tag TensorBoard shows a curve."""
    return TAGS.get(name, name)


def name_of(tag: str) -> str:
    """The curve that has this tag; in runs of before, all had their names."""
    return NAMES.get(tag, tag)


def described(tag: str, plugin: Any, data_class: str) -> Any:
    """The metadata of a tag: its description, for `plugin`, the metadata module of TensorBoard's scalars or images."""
    from tensorboard.compat.proto.summary_pb2 import DataClass

    metadata = plugin.create_summary_metadata(display_name="", description=cleandoc(DESCRIPTIONS.get(tag, "")))
    metadata.data_class = DataClass.Value(data_class)  # without it, TensorBoard's data server drops the description
    return metadata


def layout(probabilities: bool) -> Any:
    """The CUSTOM SCALARS tab: what belongs together in one chart, as a summary.

    TensorBoard adds the charts of all runs to the categories of the first: each run must have the same categories.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    fooled = (
        ("Is D fooled? D(x) of real, D(G(z)) of fake", "probability/(real|fake)$")
        if probabilities
        else ("Is D fooled? logits of real and fake", "logit/(real|fake)$")
    )
    categories = {
        "Who is ahead?": [fooled, ("Losses of G and D", "loss/[GD]$")],
        "How good are the samples?": [
            ("FID ↓", "score/fid$"),
            ("As requested, in percent ↑", "score/as_requested$"),
            ("Precision, recall, coverage ↑", "score/(precision|recall|coverage)$"),
        ],
        "Do both learn?": [
            ("Gradient norms of G and D", "technical/gradient_norm/[GD]$"),
            ("Learning rates of G and D", "technical/learning_rate/[GD]$"),
        ],
    }
    content = layout_pb2.Layout(
        category=[
            layout_pb2.Category(title=title, chart=[_chart(*chart) for chart in charts])
            for title, charts in categories.items()
        ]
    )
    tensor = make_tensor_proto(content.SerializeToString())
    tag = metadata.CONFIG_SUMMARY_TAG
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(), tensor=tensor)])


def _chart(title: str, regex: str) -> Any:
    from tensorboard.plugins.custom_scalar import layout_pb2

    return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=[regex]))


def experiment(recipe: Recipe) -> Any:
    """The columns of the HPARAMS tab, as a summary: those of the first run hold for all."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    values = hyper_parameters(recipe)
    names = [*HPARAMS_SHOWN, *(name for name in values if name not in HPARAMS_SHOWN)]
    content = api_pb2.Experiment(
        hparam_infos=[
            api_pb2.HParamInfo(name=name, type=_type_of(values[name]), differs=name in HPARAMS_SHOWN) for name in names
        ],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag_of(name)), display_name=title)
            for name, title in METRICS.items()
        ],
    )
    return _hparams(metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=content))


def session_start(recipe: Recipe, seconds: float) -> Any:
    """The row of a run in the HPARAMS tab, as a summary: its hyper-parameters, and when it began."""
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    content = plugin_data_pb2.SessionStartInfo(start_time_secs=seconds)
    for name, value in hyper_parameters(recipe).items():
        if isinstance(value, str):
            content.hparams[name].string_value = value
        elif value is not None:
            content.hparams[name].number_value = value
    return _hparams(metadata.SESSION_START_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_start_info=content))


def session_end(seconds: float) -> Any:
    """That a run came to its end, and when, as a summary."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    content = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=seconds)
    return _hparams(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=content))


def hyper_parameters(recipe: Recipe) -> dict[str, Any]:
    """What the HPARAMS tab knows of a recipe: not its length, which may change, while the tab keeps what it read."""
    values = {name: value for name, value in asdict(recipe).items() if name not in LENGTH_FIELDS}
    return {"recipe": values.pop("name")} | values


def _type_of(value: Any) -> Any:
    from tensorboard.plugins.hparams import api_pb2

    return api_pb2.DATA_TYPE_STRING if isinstance(value, str) else api_pb2.DATA_TYPE_FLOAT64


def _hparams(tag: str, content: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    described = metadata.create_summary_metadata(content)
    return Summary(value=[Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)])
