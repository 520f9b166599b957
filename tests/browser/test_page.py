"""The page of the service in a real browser; what the demo site adds is in test_site.py."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_page import canvas, opened, pixels, press, settled, share_read, slide, sown
from PIL import Image

from cgan_lib import generate, load_generator
from cgan_lib.studio.latent import directions
from cgan_lib.studio.view import View

SOURCE = "relativistic"
FETCH = """
window.calls = { now: 0, most: 0, all: 0, asked: [] };
const ask = window.fetch;
window.fetch = async (url, options) => {
  if (url !== "gen_images") return ask(url, options);
  calls.all += 1;
  calls.asked.push(JSON.parse(options.body));
  calls.most = Math.max(calls.most, ++calls.now);
  try {
    await new Promise((resolve) => setTimeout(resolve, SLOW));
    const [status, body] = ANSWERS.shift() ?? [0];
    if (status) return new Response(JSON.stringify(body), { status, headers: { "Retry-After": "0.3" } });
    return await ask(url, options);
  } finally {
    calls.now -= 1;
  }
};
"""


@pytest.fixture(scope="module")
def generator():
    return load_generator(SOURCE)


# --- what is drawn


def test_a_digit_chosen_by_its_key_is_drawn(page, service):
    opened(page, service)
    images, labels = [], []
    for seed in (11, 12):
        sown(page, seed)
        for digit in range(10):
            press(page, str(digit))
            images += pixels(page)
            labels.append(digit)
    assert share_read(images, labels) >= 0.9
    assert len({image.numpy().tobytes() for image in images}) == 20


def test_the_smooth_look_shows_the_same_digits_and_the_other_one_their_pixels(page, service):
    opened(page, service, pixels=False)
    smooth = []
    for digit in range(10):
        press(page, str(digit))
        smooth.append(
            torch.from_numpy(np.asarray(Image.fromarray(canvas(page)).resize((28, 28), Image.BOX)).copy())[None]
        )
    assert share_read(smooth, list(range(10))) >= 0.8
    press(page, "p")
    small = pixels(page)[0][0]
    assert np.array_equal(small.repeat_interleave(40, 0).repeat_interleave(40, 1), canvas(page))
    press(page, "p")
    assert np.array_equal(np.asarray(Image.fromarray(canvas(page)).resize((28, 28), Image.BOX)), smooth[-1][0])


def test_enlarging_keeps_greys_and_slopes(page, service):
    """Their weights sum to one, and are even: a constant stays constant, a slope a slope."""
    page.goto(service)
    for look in ("strokes", "greys"):
        flat, slope = page.evaluate(
            """async (look) => {
            const { enlarged, neighbours, LOOKS } = await import("./picture.js");
            return [() => 77, (p) => 8 * (p % 28)].map((grey) => {
                const plane = Uint8ClampedArray.from({ length: 784 }, (_, p) => grey(p));
                return [...enlarged(plane, 28, 10, neighbours(28, 10, LOOKS[look])).subarray(280 * 140, 280 * 141)];
            });
            }""",
            look,
        )
        assert set(flat) == {77}
        expected = 8 * ((np.arange(280) + 0.5) / 10 - 0.5)
        assert np.abs(np.array(slope) - expected)[20:-20].max() <= 0.51  # rounded


def test_the_service_and_the_page_draw_what_the_library_draws(page, service, generator):
    opened(page, service)
    seen = {}
    press(page, "4")
    sown(page, 77)
    seen["plain"] = pixels(page)[0], View(4, seed=77)
    slide(page, "share", "PageUp", 3)
    page.select_option("#toward", "9")
    settled(page)
    seen["toward"] = pixels(page)[0], View(4, 9, 0.3, seed=77)
    slide(page, "move-1", "ArrowLeft", 5)
    slide(page, "move-3", "ArrowRight", 5)
    seen["moved"] = pixels(page)[0], View(4, 9, 0.3, (0, -0.5, 0, 0.5), seed=77)
    slide(page, "truncation", "Home")
    slide(page, "truncation", "ArrowRight", 4)
    seen["truncated"] = pixels(page)[0], View(4, 9, 0.3, (0, -0.5, 0, 0.5), seed=77, truncation=0.4)
    own = directions(generator)
    for name, (image, view) in seen.items():
        z, weights = view.inputs(generator.config, own)
        difference = (generate(generator, weights, z=z)[0].int() - image.int()).abs().max()
        assert difference <= 1, name  # the order of sums may differ


# --- the controls


def test_a_slider_moved_by_the_keyboard_changes_the_picture_and_back_restores_it(page, service):
    opened(page, service)
    (before,) = pixels(page)
    for slider in ("share", "move-0", "move-1", "move-2", "move-3", "truncation"):
        away, back = ("PageUp", "PageDown") if slider != "truncation" else ("PageDown", "PageUp")
        slide(page, slider, away, 4)
        assert not torch.equal(pixels(page)[0], before), slider
        slide(page, slider, back, 4)
        assert torch.equal(pixels(page)[0], before), slider
        slide(page, slider, "Home" if slider == "truncation" else "End")
        assert not torch.equal(pixels(page)[0], before), slider
        page.click("#reset")
        settled(page)
        assert torch.equal(pixels(page)[0], before), slider
        assert page.locator("#reset").is_disabled()


def test_a_grid_is_as_large_as_the_slider_says_and_its_images_differ(page, service):
    opened(page, service)
    press(page, "5", "g")
    assert page.locator("#grid").get_attribute("aria-pressed") == "true"
    for size in (4, 10, 3):
        slide(page, "grid-size", "Home")
        slide(page, "grid-size", "ArrowRight", size - 1)
        images = pixels(page, size)
        assert len(torch.stack(images).flatten(1).unique(dim=0)) == size**2
        assert share_read(images, [5] * size**2) >= 0.75
    slide(page, "grid-size", "Home")
    (one,) = pixels(page)
    press(page, "g")
    assert torch.equal(pixels(page)[0], one)


def test_another_draws_another_and_its_seed_brings_it_back(page, service):
    opened(page, service)
    press(page, "n")
    seed, (image,) = page.input_value("#seed"), pixels(page)
    page.click("#another")
    settled(page)
    assert page.input_value("#seed") != seed
    assert not torch.equal(pixels(page)[0], image)
    sown(page, seed)
    assert torch.equal(pixels(page)[0], image)


def test_what_is_no_seed_is_not_asked_for(page, service):
    opened(page, service)
    (image,) = pixels(page)
    for wrong in ("", "-3", "1.5", "99999999999"):
        sown(page, wrong)
        assert page.input_value("#seed") == "426"
        assert torch.equal(pixels(page)[0], image)


def test_digits_typed_as_a_seed_choose_no_digit(page, service):
    opened(page, service)
    page.locator("#seed").focus()
    press(page, "7")
    assert page.locator("#digits [aria-pressed=true]").inner_text() == "3"


def test_it_says_what_is_drawn(page, service):
    opened(page, service)
    press(page, "8")
    assert page.get_by_role("img").get_attribute("aria-label") == "Drawn: an 8"
    assert page.get_by_role("button", name="8", pressed=True).count() == 1
    slide(page, "share", "ArrowRight", 5)
    assert page.get_by_role("img").get_attribute("aria-label") == "Drawn: an 8, 5% of the way to a 3"
    assert page.locator("#share").get_attribute("aria-valuetext") == "5%"
    press(page, "g")
    assert page.inner_text("#caption") == "16 different 8s, 5% of the way to a 3 · seed 426"


def test_nothing_becomes_itself(page, service):
    opened(page, service)
    press(page, "8")
    assert page.input_value("#toward") == "3"
    assert page.locator("#toward option:disabled").inner_text() == "8"


def test_the_picture_is_saved_as_it_is_seen(page, service, tmp_path):
    opened(page, service)
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "3_seed426_relativistic.png"
    download.value.save_as(tmp_path / "saved.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "saved.png").convert("L")), canvas(page))


# --- how it looks


@pytest.mark.parametrize("width", [320, 390, 820])
def test_on_a_phone_nothing_sticks_out_and_the_picture_stays_in_sight(open_page, service, width):
    page = open_page(viewport={"width": width, "height": 780}, is_mobile=True, has_touch=True, device_scale_factor=2)
    opened(page, service)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator("#grid").tap()
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator("#truncation").scroll_into_view_if_needed()
    top = page.locator("#picture").bounding_box()
    assert 0 <= top["y"] < 100
    assert top["height"] == pytest.approx(top["width"], abs=1)
    sizes = page.evaluate(
        "[...document.querySelectorAll('#digits button, #draw-part .row button')].map((b) => b.offsetHeight)"
    )
    assert min(sizes) >= 36  # large enough for a finger


def test_it_is_dark_where_the_visitor_likes_it_dark(open_page, service):
    brightness = {}
    for scheme in ("light", "dark"):
        page = open_page(color_scheme=scheme)
        opened(page, service)
        shot = Image.open(io.BytesIO(page.screenshot())).convert("L")
        brightness[scheme] = shot.getpixel((4, 4))
    assert brightness["light"] > 220
    assert brightness["dark"] < 40


# --- when things go wrong


def watched(page, slow=0, answers=()):
    """Count what the page asks for, answer `slow` ms later, and first of all with `answers` (status, JSON)."""
    page.add_init_script(f"const SLOW = {slow}, ANSWERS = {json.dumps(list(answers))};\n{FETCH}")


def test_there_is_never_more_than_one_request_and_the_newest_state_wins(page, service):
    watched(page, slow=400)  # longer than all the keys below take
    opened(page, service)
    for key in "0123456789":
        page.keyboard.press(key)
    page.locator("#move-0").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    settled(page)
    calls = page.evaluate("calls")
    assert calls["most"] == 1
    assert calls["all"] < 20  # of 31 states
    assert calls["asked"][-1]["value"] == 9
    assert calls["asked"][-1]["moves"][0] == pytest.approx(2)
    assert page.get_by_role("img").get_attribute("aria-label") == "Drawn: a 9"


def test_an_answer_for_another_digit_is_not_shown(page, service):
    watched(page, slow=1000)  # the second key falls into it on a busy machine too
    opened(page, service)
    page.evaluate("""() => {
        window.seen = [];
        const picture = document.getElementById("picture");
        new MutationObserver(() => seen.push(picture.ariaLabel)).observe(picture, { attributes: true });
    }""")
    page.keyboard.press("1")
    page.wait_for_function("calls.asked.at(-1).value === 1")
    page.keyboard.press("7")
    settled(page)
    assert [asked["value"] for asked in page.evaluate("calls.asked")] == [3, 1, 7]
    assert set(page.evaluate("seen")) == {"Drawn: a 7"}


def test_a_busy_service_is_asked_again(page, service):
    watched(page, answers=[(503, {"detail": "2,048 images are waiting"})] * 3)
    page.goto(service)
    page.wait_for_selector("#status:has-text('busy')")
    settled(page)
    assert page.evaluate("calls.all") == 4
    assert page.locator("#status").is_hidden()
    assert page.get_by_role("img").get_attribute("aria-label") == "Drawn: a 3"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((422, {"detail": [{"loc": ["body", "moves"], "msg": "too long"}]}), "refused: moves: too long"),
        ((500, {"detail": "internal error"}), "refused: internal error"),
        ((500, None), "refused: status 500"),
    ],
)
def test_a_refusal_is_said_and_can_be_tried_again(page, service, answer, message):
    watched(page, answers=[answer])
    page.goto(service)
    page.wait_for_selector("main[data-state=error]")
    assert message in page.inner_text("#status")
    page.click("#retry")
    settled(page)
    assert page.locator("#status").is_hidden()


def test_a_service_that_is_gone_is_waited_for(page, service, problems):
    opened(page, service)
    page.context.set_offline(True)
    page.keyboard.press("5")
    page.wait_for_selector("#status:has-text('cannot be reached')")
    page.context.set_offline(False)
    settled(page)
    assert page.get_by_role("img").get_attribute("aria-label") == "Drawn: a 5"
    problems[:] = [problem for problem in problems if "ERR_INTERNET_DISCONNECTED" not in problem]


def test_opened_as_a_file_it_says_how_to_open_it(page, problems):
    page.goto((Path(__file__).parents[2] / "cgan_lib" / "service" / "page" / "index.html").as_uri())
    page.wait_for_selector("main[data-state=error]")
    assert "python -m http.server" in page.inner_text("#status")
    problems.clear()  # the browser says so too
