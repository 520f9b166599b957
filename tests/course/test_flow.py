"""Flow matching: targets, paths, a generator that draws in passes, and what is known of all of them."""

import io
from itertools import count
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from cgan_lib import evaluate, generate, get_recipe, load_data
from cgan_lib.course import flow, flow_toy, one_pass, timed, timeline
from cgan_lib.course.flow import FlowGenerator, flow_loss, follow, on_the_way, train_flow
from cgan_lib.course.slider import slide
from cgan_lib.course.toy import CENTRES, STD, ring
from cgan_lib.errors import UserError
from cgan_lib.training import Trainer

TINY = dict(image_size=8, embed_dim=8, base_channels=8)


def weights(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture
def small():
    """A small network that says something: as it begins, its velocity is 0."""
    torch.manual_seed(0)
    network = FlowGenerator(**TINY, passes=2)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def test_it_has_as_many_weights_as_the_generator_that_it_is_compared_with():
    generator, _ = get_recipe("relativistic").build()
    assert weights(FlowGenerator()) == pytest.approx(weights(generator), rel=0.02)


def test_images_are_noise_at_first_and_themselves_at_last():
    noise, images = torch.randn(3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    there = on_the_way(noise, images, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.equal(there[0], noise[0])
    assert torch.equal(there[2], images[2])
    assert torch.allclose(there[1], 0.75 * noise[1] + 0.25 * images[1])


def test_the_right_velocity_costs_nothing_and_none_costs_what_there_is_to_know():
    images = torch.full((500, 1, 4, 4), 3.0)
    labels = torch.zeros(500, dtype=torch.long)
    right = flow_loss(lambda x, t, y: (images - x) / (1 - t.view(-1, 1, 1, 1)), images, labels)
    assert right < 1e-3
    assert flow_loss(lambda x, t, y: torch.zeros_like(x), images, labels).item() == pytest.approx(10, rel=0.05)


def test_a_flow_is_followed_in_equal_steps_from_noise():
    seen = []

    def velocity(x, t, labels):
        seen.append(t.tolist())
        return x

    x = follow(velocity, torch.ones(2, 1), torch.tensor([0, 1]), 4)
    assert seen == [[0.0, 0.0], [0.25, 0.25], [0.5, 0.5], [0.75, 0.75]]
    assert torch.allclose(x, torch.full((2, 1), 1.25**4))


def test_it_draws_and_is_measured_as_any_generator(small, monkeypatch):
    monkeypatch.setenv("CGAN_PROFILE", "ci")
    images = generate(small, [7, 7, 3], seed=1)
    assert images.shape == (3, 1, 8, 8)
    assert torch.equal(images, generate(small, [7, 7, 3], seed=1))
    with pytest.warns(UserWarning, match="rough number"):
        scores = evaluate(FlowGenerator(embed_dim=8, base_channels=8, passes=1), "digits", count=100)
    assert scores.fid > scores.real.fid


def test_the_number_of_passes_is_chosen_without_a_copy_of_the_weights(small):
    twice, once = small.drawing(2), small.drawing(1)
    assert next(once.parameters()) is next(small.parameters())
    z, labels = torch.randn(3, 64), torch.tensor([1, 2, 3])
    assert torch.equal(twice(z, labels), small(z, labels))
    assert not torch.allclose(once(z, labels), small(z, labels), atol=0.01)
    noise = z.view(3, 1, 8, 8)
    assert torch.allclose(once(z, labels), (noise + small.velocity(noise, torch.zeros(3), labels)).clamp(-1, 1))


@pytest.mark.parametrize("passes", [0, -3, 2.5, "many", None, True])
def test_a_number_of_passes_that_is_none_is_refused(small, passes):
    with pytest.raises(UserError, match="from 1 on"):
        small.drawing(passes)


def test_sides_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(UserError, match="multiple of 4"):
        FlowGenerator(image_size=30)


def test_label_and_time_are_told_and_an_unheard_label_is_not(small):
    x, t, labels = torch.randn(4, 1, 8, 8), torch.full((4,), 0.5), torch.tensor([0, 1, 2, 3])
    told = small.velocity(x, t, labels)
    assert not torch.allclose(told, small.velocity(x, t, labels.flip(0)), atol=1e-3)
    assert not torch.allclose(told, small.velocity(x, 0.4 * t, labels), atol=1e-3)
    deaf = torch.zeros(4)
    assert torch.equal(small.velocity(x, t, labels, deaf), small.velocity(x, t, labels.flip(0), deaf))


def test_guidance_goes_on_in_the_direction_of_the_label(small):
    x, t, labels = torch.randn(4, 1, 8, 8), torch.full((4,), 0.5), torch.tensor([0, 1, 2, 3])
    told, free = small.velocity(x, t, labels), small.velocity(x, t, labels, torch.zeros(4))
    assert torch.equal(small.drawing(1).guided(x, t, labels), told)
    assert torch.allclose(small.drawing(1, 0.0).guided(x, t, labels), free, atol=1e-6)
    assert torch.allclose(small.drawing(1, 3.0).guided(x, t, labels), free + 3 * (told - free), atol=1e-5)


def test_training_moves_all_weights_lowers_the_loss_and_returns_their_average(monkeypatch):
    ticks = count()
    monkeypatch.setattr(flow, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))  # a step a second
    monkeypatch.setattr(flow, "WARM_UP", 5)
    data = load_data("digits", image_size=8)
    torch.manual_seed(0)
    network = FlowGenerator(**TINY)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    averaged = train_flow(network, data, seconds=50, batch_size=32)
    still = [name for name, parameter in network.named_parameters() if torch.equal(parameter, before[name])]
    assert still == []
    images, labels = data.images[:500].float() / 127.5 - 1, data.labels[:500]
    torch.manual_seed(1)
    learned = flow_loss(averaged.velocity, images, labels).item()
    assert learned < 0.85 * flow_loss(FlowGenerator(**TINY).velocity, images, labels).item()
    assert not any(parameter.requires_grad for parameter in averaged.parameters())
    assert not averaged.training
    assert averaged.drawing(1).dataset == "digits"  # so that `evaluate` knows what to compare with


def test_a_network_for_other_images_is_refused_with_the_one_that_fits():
    with pytest.raises(UserError, match=r"FlowGenerator\(num_classes=10, channels=1, image_size=28\) does"):
        train_flow(FlowGenerator(**TINY), load_data("digits"), seconds=1)


# --- the ring


def test_the_velocity_of_the_ring_is_the_mean_over_lines_that_pass_there():
    draws = torch.Generator().manual_seed(0)
    points, modes = ring(400_000, draws)
    noise = torch.randn(points.shape, generator=draws)
    for t in (0.2, 0.5, 0.8):
        x = torch.lerp(noise, points, t)
        place = t * CENTRES[1] + torch.tensor([0.2, -0.1])
        near = (x - place).norm(dim=1) < 0.06
        time, here = torch.tensor([t]), place[None]
        expected = (points - noise)[near].mean(0)
        assert torch.allclose(flow_toy.ring_velocity(here, time)[0], expected, atol=0.12)
        only = near & (modes == 1)
        expected = (points - noise)[only].mean(0)
        assert torch.allclose(flow_toy.ring_velocity(here, time, torch.tensor([1]))[0], expected, atol=0.2)


def test_a_flow_that_is_followed_closely_ends_on_the_ring_and_one_pass_in_its_middle():
    noise, modes = torch.randn(500, 2, generator=torch.Generator().manual_seed(1)), torch.arange(500) % 8
    ends = flow_toy.path(flow_toy.unlabelled, noise, modes, flow_toy.even(100))[-1]
    assert flow_toy.near(ends) > 0.97
    assert flow_toy.near(noise) < 0.3
    assert flow_toy.path(flow_toy.unlabelled, noise, modes, flow_toy.even(1))[-1].abs().max() < 1e-5
    told = flow_toy.path(flow_toy.ring_velocity, noise, modes, flow_toy.even(100))[-1]
    assert (told - CENTRES[modes]).std().item() == pytest.approx(STD, rel=0.15)


def test_pairs_that_a_flow_has_made_are_joined_by_paths_that_are_nearly_straight(monkeypatch):
    monkeypatch.setattr(flow_toy, "steps", lambda demo: 250)
    noise, modes = torch.randn(500, 2, generator=torch.Generator().manual_seed(1)), torch.arange(500) % 8
    bent = flow_toy.path(flow_toy.unlabelled, noise, modes, flow_toy.even(50))
    again = flow_toy.path(flow_toy.reflow(bent[0], bent[-1]), noise, modes, flow_toy.even(50))
    assert flow_toy.bend(again) < 0.1 * flow_toy.bend(bent)
    assert (again[-1] - bent[-1]).norm(dim=1).mean() < 0.3


def test_the_best_velocity_leads_back_to_a_known_image():
    images = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    for k in range(40):
        x = x + flow_toy.best_velocity(images, x, k / 40) / 40
    distance = torch.cdist(x, images).min(1)
    assert distance.values.max() < 1e-3
    assert len(distance.indices.unique()) > 3


def test_a_straight_path_at_an_even_speed_has_no_bend_and_a_pause_or_a_detour_has():
    ends = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    even = torch.stack([torch.lerp(*ends, t) for t in (0, 0.25, 0.5, 0.75, 1)])[:, None]  # (5,1,2)
    assert flow_toy.bend(even) == 0
    assert flow_toy.bend(even[[0, 0, 4]]) == pytest.approx(16)  # 0 and 8 in place of 4
    assert flow_toy.bend(torch.stack([even[0], even[0] + torch.tensor([2.0, 1.0]), even[4]])) == pytest.approx(4)


# --- one pass


def test_a_trainer_goes_on_from_a_copy_of_what_it_is_given(small):
    data = load_data("digits", image_size=8)
    recipe = get_recipe("relativistic", latent_dim=64, image_size=8, base_channels_d=8, batch_size=16, precision="fp32")
    start = small.drawing(1).requires_grad_(False)
    z, labels = torch.randn(10, 64), torch.arange(10)
    trainer = Trainer(recipe, data, "cpu", start=start)
    before = start(z, labels)
    assert torch.allclose(trainer.sampler(z, labels), before, atol=1e-5)
    trainer.fit(3)
    assert not torch.allclose(trainer.sampler(z, labels), before, atol=1e-3)
    assert torch.equal(start(z, labels), before)
    assert not any(parameter.requires_grad for parameter in start.parameters())


def test_a_flow_becomes_a_generator_of_one_pass(monkeypatch):
    ticks = count()
    monkeypatch.setattr(timed, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    start = FlowGenerator()
    fast = one_pass.in_one_pass(start, load_data("digits"), seconds=3)
    assert fast.passes == 1
    assert start.passes == 20
    assert fast.dataset == "digits"
    assert generate(fast, [3, 5]).shape == (2, 1, 28, 28)
    assert not torch.equal(fast.write.weight, start.write.weight)


# --- what the notebook shows besides


def test_a_slider_shows_its_pictures_and_has_all_of_them_beside_it_where_there_are_no_widgets(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    pictures = {n: torch.full((10, 1, 8, 8), n, dtype=torch.uint8) for n in (1, 5, 50)}
    slide(pictures, "passes")
    (bundle,) = shown
    assert bundle["text/plain"] == "passes: 1, 5, 50"
    with Image.open(io.BytesIO(bundle["image/png"])) as picture:
        assert picture.width <= 1000
    box = widget_of(bundle)
    slider, picture = box.children
    before = picture.value
    slider.value = 50
    assert picture.value != before
    assert slider.description == "passes"


def widget_of(bundle):
    from ipywidgets.widgets.widget import _instances

    return _instances[bundle["application/vnd.jupyter.widget-view+json"]["model_id"]]


def test_papers_come_in_the_order_of_their_years_and_are_all_drawn_and_listed(monkeypatch):
    import matplotlib.pyplot as plt

    papers = timeline.PAPERS
    assert [paper.year for paper in papers] == sorted(paper.year for paper in papers)
    assert len({paper.arxiv for paper in papers}) == len({paper.name for paper in papers}) == len(papers)
    drawn = []
    monkeypatch.setattr(plt, "show", lambda: drawn.extend(text.get_text() for text in plt.gca().texts))
    timeline.show_timeline()
    plt.close("all")
    for paper in papers:
        assert paper.name in drawn
        assert f"[arXiv:{paper.arxiv}](https://arxiv.org/abs/{paper.arxiv})" in timeline.table()
        preprint = 2000 + int(paper.arxiv[:2])
        assert paper.year in (preprint, preprint - 1)  # a conference may be a few weeks earlier
