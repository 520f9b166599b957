"""Steps that are replayed compute what steps that are not would; where none can be recorded, training goes on."""

import io
import warnings
from contextlib import contextmanager, nullcontext

import pytest
import torch

from cgan_lib import RECIPES, load_data, train
from cgan_lib.capture import REHEARSALS, CUDAGraphs, recorder_for, set_rate, with_plain_rates
from cgan_lib.data import batches
from cgan_lib.models import MODELS
from cgan_lib.training import Trainer

STEPS = 24
SETTINGS = {
    "plain": ("bce", {}),
    "two rhythms": ("relativistic", dict(n_dis=2, penalty_every=8, lr_halved_at=7, ema=0.9)),
    "to zero": ("speedrun", dict(penalty_every=3, lr_to_zero=True, ema_power=2.0, steps=STEPS)),
    "random layers": ("dropout", dict(augment="translation", ema=0.0)),
}
settings = pytest.mark.parametrize(("name", "changes"), SETTINGS.values(), ids=SETTINGS)


class Again:
    """Records on any device: a replay is the recorded step itself, on tensors of its own, as a graph has them."""

    def __init__(self):
        self.rehearsed, self.recorded, self.replayed = 0, 0, 0

    def rehearse(self, step, inputs):
        self.rehearsed += 1
        step(*inputs)

    def record(self, step, inputs):
        self.recorded += 1
        own = [tensor.clone() for tensor in inputs]

        def replay(inputs):
            self.replayed += 1
            for mine, given in zip(own, inputs, strict=True):
                mine.copy_(given)
            step(*own)

        return replay


class Refuses(Again):
    """Breaks off as a recording does: one error inside, another one at its end."""

    def record(self, step, inputs):
        self.recorded += 1
        try:
            raise RuntimeError("operation not permitted when stream is capturing\nand much more")
        except RuntimeError:
            raise RuntimeError("capture failed")  # noqa: B904  (its context is what went wrong)


def make(digits, tiny, name, changes, recorder=None, device="cpu"):
    trainer = Trainer(RECIPES[name].replace(**tiny | dict(log_every=6) | changes), digits, device)
    if device == "cpu":
        trainer.replayed.recorder = recorder
    return trainer


def weights(trainer):
    """Everything that a step changes, one after the other."""
    state = trainer.state_dict()
    networks = [state[name] for name in ("generator", "discriminator", "averaged") if name in state]
    moments = [moments for name in "gd" for moments in state[f"optimizer_{name}"]["state"].values()]
    return torch.cat([tensor.double().flatten() for part in networks + moments for tensor in part.values()])


@settings
def test_replayed_steps_give_bit_for_bit_the_weights_of_others(name, changes, tiny, digits):
    recorder = Again()
    one, other = (make(digits, tiny, name, changes, given) for given in (None, recorder))
    for trainer in (one, other):
        trainer.fit(STEPS)
    assert torch.equal(weights(other), weights(one))
    kinds = 4 if changes.get("n_dis") else 2 if changes.get("penalty_every") else 1
    kinds -= changes.get("penalty_every") == 8  # n_dis=2: G moves in every 8th step
    measured = -(-STEPS // 6)  # every sixth step, and the last
    assert recorder.rehearsed + recorder.replayed == STEPS - measured
    assert recorder.rehearsed <= kinds * REHEARSALS
    assert 1 <= recorder.recorded <= kinds
    assert recorder.replayed >= STEPS - measured - kinds * REHEARSALS


def test_each_kind_of_step_is_recorded_by_itself_after_some_that_are_not(tiny, digits):
    recorder = Again()
    trainer = make(digits, tiny, "relativistic", dict(n_dis=2, penalty_every=3, log_every=10**6), recorder)
    # Every kind: G moves or not, with a penalty or without; the last step of a call is measured, and so not replayed
    trainer.fit(6 * REHEARSALS + 1)
    assert (recorder.recorded, recorder.replayed) == (2, 2 * REHEARSALS)  # the penalty comes in every third step
    trainer.fit(6 * (REHEARSALS + 1) + 1)
    assert recorder.recorded == 4


def test_a_batch_of_another_size_is_a_kind_of_its_own(tiny, digits):
    recorder = Again()
    trainer = make(digits, tiny, "bce", {}, recorder)
    for size in (8, 8, 8, 8, 6, 8):
        trainer.train_step(*next(batches(digits, size, seed=0)))
    assert (recorder.rehearsed, recorder.recorded, recorder.replayed) == (4, 1, 2)


def test_where_recording_is_refused_one_note_says_why_and_the_weights_are_the_same(tiny, digits):
    recorder = Refuses()
    one, other = (make(digits, tiny, *SETTINGS["two rhythms"], given) for given in (None, recorder))
    one.fit(STEPS)
    with pytest.warns(UserWarning, match="without CUDA graphs") as notes:
        other.fit(STEPS)
    (note,) = notes
    said = "training goes on without CUDA graphs, more slowly: one was refused (operation not permitted when "
    assert str(note.message) == said + "stream is capturing)."
    assert recorder.recorded == 1
    assert torch.equal(weights(other), weights(one))


def test_optimisers_know_that_they_are_recorded_only_while_they_are(tiny, digits):
    recorder, known = Again(), []
    trainer = make(digits, tiny, "bce", {}, recorder)
    groups = [optimizer.param_groups[0] for optimizer in (trainer.optimizer_g, trainer.optimizer_d)]
    record = recorder.record
    recorder.record = lambda *given: known.append([group["capturable"] for group in groups]) or record(*given)
    trainer.fit(5)
    assert known == [[True, True]]
    assert [group["capturable"] for group in groups] == [False, False]


def test_other_errors_are_not_taken_for_a_refusal(tiny, digits):
    recorder = Again()
    recorder.record = lambda *_: 1 / 0
    trainer = make(digits, tiny, "bce", {}, recorder)
    with pytest.raises(ZeroDivisionError):
        trainer.fit(5)


def test_while_hooks_watch_every_step_none_is_replayed(tiny, digits):
    recorder, seen = Again(), []
    trainer = make(digits, tiny, "bce", {}, recorder)
    trainer.fit(5)
    trainer.watched = True
    trainer.optimizer_g.register_step_post_hook(lambda *_: seen.append(trainer.step))
    before = recorder.replayed
    trainer.fit(9)
    assert recorder.replayed == before > 0
    assert seen == [5, 6, 7, 8]


def test_a_run_replays_no_step_before_its_vital_signs_are_taken(tiny, monkeypatch):
    recorder = Again()
    monkeypatch.setattr("cgan_lib.training.recorder_for", lambda *_, **__: recorder)
    run = train("bce", steps=20, log_every=1000, grid_every=10, save_every=20, **tiny)
    assert recorder.replayed == 20 - REHEARSALS - 4  # the last two before each grid
    assert len(run.history()["vitals/step_size/G"][0]) == 2


# --- checkpoints


def test_a_run_continued_from_its_state_records_anew_and_is_bit_identical(tiny, digits):
    changes = dict(n_dis=2, penalty_every=8, ema=0.9)
    straight, first, second = (make(digits, tiny, "relativistic", changes, Again()) for _ in range(3))
    straight.fit(STEPS)
    first.fit(11)
    second.fit(20)  # has recorded, with other tensors than those it is going to have
    second.load_state_dict(first.state_dict())
    before = second.replayed.recorder.recorded
    second.fit(STEPS)
    assert torch.equal(weights(second), weights(straight))
    assert second.replayed.recorder.recorded == before + 1  # (of the other kinds there are too few steps)


def test_learning_rates_in_tensors_train_the_same_and_are_numbers_in_a_checkpoint(tiny, digits):
    changes = dict(lr_halved_at=5, lr_d=0.001)
    plain, given = (make(digits, tiny, "bce", changes) for _ in range(2))
    rates = [torch.zeros((), dtype=torch.float64) for _ in range(2)]
    for optimizer, rate in zip((given.optimizer_g, given.optimizer_d), rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
    for trainer in (plain, given):
        trainer.fit(7)
    assert torch.equal(weights(given), weights(plain))
    assert (
        given.learning_rates()
        == plain.learning_rates()
        == {
            "learning_rate/G": rates[0].item(),  # still in the tensors in which a graph would look for them
            "learning_rate/D": rates[1].item(),
        }
    )
    file = io.BytesIO()
    torch.save(given.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert type(state["optimizer_g"]["param_groups"][0]["lr"]) is float
    other = make(digits, tiny, "bce", changes)
    other.load_state_dict(state)
    for trainer in (plain, other):
        trainer.fit(9)
    assert torch.equal(weights(other), weights(plain))


def test_a_rate_is_a_number_where_no_graph_is_and_stays_in_its_tensor_where_one_may_be():
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], 0.5)
    group, cpu = optimizer.param_groups[0], torch.device("cpu")
    set_rate(optimizer, 0.25, cpu)
    assert (type(group["lr"]), group["lr"]) == (float, 0.25)
    group["lr"] = there = torch.tensor(0.5)
    set_rate(optimizer, 0.125, cpu)
    assert group["lr"] is there
    assert there == 0.125
    state = with_plain_rates(optimizer.state_dict())
    assert state["param_groups"][0]["lr"] == 0.125
    assert group["lr"] is there  # the optimiser itself keeps it


# --- where it is used


@pytest.mark.parametrize(
    ("device", "precision", "grows", "processes"),
    [("cpu", "fp32", False, 1), ("cuda", "fp16", False, 1), ("cuda", "bf16", True, 1), ("cuda", "fp32", False, 2)],
)
def test_nothing_is_recorded_where_a_step_cannot_be(device, precision, grows, processes, monkeypatch):
    monkeypatch.setattr("cgan_lib.capture.parallel.size", lambda: processes)
    assert recorder_for(torch.device(device), precision, grows) is None


@pytest.mark.parametrize(("precision", "grows"), [("fp32", False), ("bf16", False)])
def test_a_gpu_alone_records(precision, grows, monkeypatch):
    monkeypatch.setattr("cgan_lib.capture.CUDAGraphs", lambda device: f"graphs on {device}")
    assert recorder_for(torch.device("cuda:1"), precision, grows) == "graphs on cuda:1"


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if not MODELS[recipe.model].grows])
def test_a_step_waits_for_nothing_and_draws_nothing_on_the_cpu_where_another_device_computes(
    name, tiny, digits, monkeypatch
):
    """The meta device has no numbers: what reads one there raises, as it would break a recording on a GPU."""
    monkeypatch.setattr("cgan_lib.training.torch.autocast", lambda *_, **__: nullcontext())  # it knows no meta
    recipe = RECIPES[name].replace(**tiny | dict(augment="translation+colour+cutout", feature_dim=None))
    trainer = Trainer(recipe, load_data("digits", image_size=recipe.image_size), "cpu")
    trainer.device = torch.device("meta")
    for network in (trainer.generator, trainer.discriminator):
        network.to("meta")
    trainer.classes = trainer.classes.to("meta")
    for optimizer in (trainer.optimizer_g, trainer.optimizer_d):
        optimizer.step = lambda: None  # fused Adam knows no meta, either
    real, labels = (tensor.to("meta") for tensor in next(batches(trainer.data, 8, seed=0)))
    before = torch.get_rng_state()
    trainer._move(real, labels, g_moves=True, measure=False)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def calls(monkeypatch):
    """What is asked of a GPU that is not there, in its order."""
    calls = []

    class Stream:
        def __init__(self, name="own"):
            self.name = name

        def wait_stream(self, other):
            calls.append(f"{self.name} waits for {other.name}")

    class Graph:
        def replay(self):
            calls.append("replay")

    @contextmanager
    def inside(name):
        calls.append(f"begin {name}")
        yield
        calls.append(f"end {name}")

    @contextmanager
    def graph(graph, pool, stream, capture_error_mode):
        calls.append(f"record in {pool} on {stream.name}, {capture_error_mode}")
        try:
            yield
        except RuntimeError:
            raise RuntimeError("the end fails as well")  # noqa: B904
        calls.append("recorded")

    fakes = dict(Stream=Stream, CUDAGraph=Graph, graph=graph, graph_pool_handle=lambda: "the pool")
    fakes |= dict(device=lambda device: inside(str(device)), stream=lambda stream: inside(stream.name))
    fakes |= dict(current_stream=lambda device: Stream("usual"))
    fakes |= dict(set_stream=lambda stream: calls.append(f"set {stream.name}"))
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr("cgan_lib.capture._renew_generator", lambda device: calls.append(f"generator of {device}"))
    return calls


def test_a_step_is_rehearsed_on_a_stream_of_its_own_after_and_before_all_else(calls):
    graphs = CUDAGraphs(torch.device("cuda:1"))
    graphs.rehearse(lambda *inputs: calls.append(inputs), (1, 2))
    expected = ["begin cuda:1", "end cuda:1", "own waits for usual", "begin own", (1, 2), "end own"]
    assert calls == [*expected, "usual waits for own"]


def test_a_replay_computes_on_the_tensors_of_its_recording_what_it_is_given(calls):
    graphs, seen, first = CUDAGraphs(torch.device("cuda:1")), [], torch.zeros(2)
    replay = graphs.record(lambda *inputs: seen.extend(inputs), [first, torch.zeros(3)])
    assert calls[2:] == ["record in the pool on own, thread_local", "recorded"]  # and nothing was replayed yet
    replay([torch.tensor([1.0, 2.0]), torch.ones(3)])
    assert calls[4:] == ["replay"]
    assert [tensor.tolist() for tensor in seen] == [[1, 2], [1, 1, 1]]
    assert first.tolist() == [0, 0]


def test_a_recording_that_breaks_off_gives_back_stream_and_generator(calls):
    def fails(*inputs):
        raise RuntimeError("not while recording")

    with pytest.raises(RuntimeError, match="the end fails as well"):
        CUDAGraphs(torch.device("cuda:1")).record(fails, [torch.zeros(2)])
    assert calls[3:] == ["set usual", "generator of cuda:1"]


if torch.cuda.is_available():  # elsewhere there are no graphs

    @settings
    def test_graphs_on_a_gpu_compute_the_steps(name, changes, tiny, digits):
        graphs, plain = (make(digits, tiny, name, changes, device="cuda") for _ in range(2))
        plain.replayed.recorder = None
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a refusal is one
            for trainer in (graphs, plain):
                trainer.fit(STEPS)
        torch.testing.assert_close(weights(graphs), weights(plain), rtol=1e-3, atol=1e-4)

    def test_a_refused_recording_leaves_the_gpu_as_it_was(tiny, digits):
        trainer, plain = (make(digits, tiny, "bce", {}, device="cuda") for _ in range(2))
        plain.replayed.recorder = None
        trainer.discriminator.register_forward_hook(lambda *given: given[-1].sum().item())  # waits for the GPU
        stream = torch.cuda.current_stream()
        with pytest.warns(UserWarning, match="without CUDA graphs"):
            trainer.fit(8)
        plain.fit(8)
        assert torch.cuda.current_stream() == stream
        torch.testing.assert_close(weights(trainer), weights(plain), rtol=1e-3, atol=1e-4)

    def test_a_checkpoint_of_a_gpu_goes_on_on_a_cpu(tiny, digits):
        there, here = make(digits, tiny, "bce", {}, device="cuda"), make(digits, tiny, "bce", {})
        there.fit(8)
        here.load_state_dict(there.state_dict())
        here.fit(9)
        assert weights(here).isfinite().all()
        assert next(iter(here.optimizer_g.state.values()))["step"] == 9
