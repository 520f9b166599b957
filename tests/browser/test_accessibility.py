"""Whether everyone can use the page: WCAG 2.2 AA by axe, and by hand what axe cannot see."""

import pytest
from drawn_page import press, settled

LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 860}},
    "dark": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "dark"},
    "forced colours": {"viewport": {"width": 1280, "height": 860}, "forced_colors": "active"},
    "phone": {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True},
    "400%": {"viewport": {"width": 320, "height": 256}},
}
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    "rules": {"label-content-name-mismatch": {"enabled": True}, "target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
# Of what has the focus: its name, and whether its middle is in the window and nothing lies over it
SEEN = """() => {
    const element = document.activeElement, { left, top, width, height } = element.getBoundingClientRect();
    const over = document.elementFromPoint(left + width / 2, top + height / 2);
    const name = element.id || element.textContent.trim();
    return [name, Boolean(over) && (element.contains(over) || over.contains(element))];
}"""


@pytest.fixture(params=sorted(LOOKS))
def look(request, open_page):
    """A page that looks so."""
    return open_page(**LOOKS[request.param])


@pytest.fixture
def violations():
    """A function: what axe finds in a page."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is missing: pip install axe-playwright-python"
    )

    def found(page) -> list[str]:
        result = axe.Axe().run(page, options=RULES)
        return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in result.response["violations"]]

    return found


def show(page, address, part, state="ready"):
    page.goto(f"{address}#{part}")
    page.wait_for_selector(f"#{part}-part[data-state={state}]" if part != "draw" else f"main[data-state={state}]")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0  # nothing sticks out


def test_axe_finds_nothing(look, service, violations, problems):
    show(look, service + "?class=5&grid=4&share=0.3&moves=0,1,0,0", "draw")
    found = {"grid": violations(look)}
    show(look, service, "write")
    found["write"] = violations(look)
    show(look, service, "guess")
    found["guess"] = violations(look)
    if look.locator("#say-real").is_visible():
        look.click("#say-real")
        found["answered"] = violations(look)
    look.route("**/gen_images", lambda route: route.fulfill(status=422, json={"detail": "no"}))
    show(look, service, "draw", "error")
    found["error"] = violations(look)
    assert found == {state: [] for state in found}
    problems.clear()  # the browser says of the refusal too


@pytest.mark.parametrize("key", ["Shift+Tab", "Tab"])
@pytest.mark.parametrize("size", ["400%", "phone"])
def test_what_is_focused_is_seen(open_page, service, size, key):
    page = open_page(**LOOKS[size])
    show(page, service + "?grid=3&share=0.5", "draw")
    seen = {}
    for _ in range(60):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement === document.body"):
            break
        name, clear = page.evaluate(SEEN)
        seen[name] = clear
    assert {"to-draw", "pixels", "seed", "toward", "move-3", "truncation", "plane", "shortcuts", "docs"} <= seen.keys()
    assert [name for name, clear in seen.items() if not clear] == []


def test_what_is_drawn_is_said_once_in_the_one_live_region(page, service):
    show(page, service, "draw")
    assert page.locator("output, [aria-live], [role=status], [role=alert], [role=log]").count() == 1
    page.wait_for_selector("#live:has-text('Drawn: a 3')")
    page.evaluate("""() => {
        window.said = [];
        const live = document.getElementById("live");
        new MutationObserver(() => said.push(live.textContent)).observe(live, { childList: true });
    }""")
    press(page, "5")
    page.wait_for_selector("#live:has-text('Drawn: a 5')")
    page.evaluate("import('./dom.js').then(({ announce }) => ['one', 'two', 'three'].forEach(announce))")
    page.wait_for_selector("#live:has-text('three')")
    assert page.evaluate("said") == ["Drawn: a 5", "three"]


def test_single_keys_can_be_switched_off(page, service):
    show(page, service, "draw")
    page.uncheck("#shortcuts")
    page.reload()
    settled(page)
    press(page, "7", "g", "p", "n")
    assert page.inner_text("#caption") == "a 3 · seed 426"
    page.get_by_role("button", name="9").click()
    settled(page)
    press(page, "Control+z")  # no single key
    assert page.inner_text("#caption") == "a 3 · seed 426"


def test_the_focus_stays_when_a_button_has_done_its_work(page, service, problems):
    focused = "document.activeElement.id"
    show(page, service + "?share=0.5&grid=2", "draw")
    page.locator("#reset").press("Enter")
    assert page.evaluate(focused) == "reset"
    page.locator("#undo").press("Enter")
    settled(page)
    assert page.evaluate(focused) == "undo"
    page.locator("#tiles button").first.focus()
    with page.expect_response("**/gen_images"):  # or the refusal below might be its answer
        page.keyboard.press("g")
    settled(page)
    assert page.evaluate(focused) == "single"
    page.route("**/gen_images", lambda route: route.fulfill(status=422, json={"detail": "no"}), times=1)
    page.keyboard.press("5")
    page.locator("#retry").press("Enter")
    page.wait_for_function(f"() => {focused} === 'to-draw'")
    settled(page)
    problems.clear()  # the browser says of the refusal too


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_tracks_and_frames_of_fields_stand_out(open_page, service, scheme):
    """WCAG 1.4.11: 3 : 1 against what lies beside them."""
    page = open_page(color_scheme=scheme)
    show(page, service, "draw")
    colours = page.evaluate("""() => {
        const style = getComputedStyle(document.documentElement);
        const brush = new OffscreenCanvas(1, 1).getContext("2d");
        return ["--edge", "--accent", "--card", "--page", "--key"].map((name) => {
            brush.fillStyle = style.getPropertyValue(name);
            brush.fillRect(0, 0, 1, 1);
            return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
        });
    }""")
    edge, accent, card, paper, key = map(luminance, colours)
    for ground in (card, paper, key):
        assert contrast(edge, ground) >= 3
        assert contrast(accent, ground) >= 3


def luminance(colour) -> float:
    """Relative luminance of an sRGB colour, as WCAG defines it."""
    red, green, blue = (c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_forced_colours_leave_sliders_and_choices_visible(open_page, service):
    page = open_page(**LOOKS["forced colours"])
    show(page, service, "draw")
    assert page.evaluate("getComputedStyle(document.getElementById('share')).appearance") == "auto"
    background = "(button) => getComputedStyle(button).backgroundColor"
    for pair in (("3", "4"), ("One", "Grid")):
        chosen, other = (page.get_by_role("button", name=name, exact=True).evaluate(background) for name in pair)
        assert chosen != other
