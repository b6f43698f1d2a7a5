"""The studio for every screen and every hand: sizes, keyboard, things to take hold of, and axe-core's rules.

axe-core comes with the page's own tools: `npm ci` in studio/.
"""

# ruff: noqa: F811  (fixtures are imported)

import re
from pathlib import Path
from typing import Any

import pytest
from tests.app.server.running import BUDGET, until
from tests.app.studio.test_studio import (  # noqa: F401
    HERO,
    browser,
    playwright,
    pytestmark,
    server,
    studio,
)

AXE = Path(__file__).parents[3] / "studio" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = [(1280, 720), (1000, 700), (820, 1180), (390, 844)]
BOX = (
    "e => { const {left, top, right, bottom} = e.getBoundingClientRect(); return [left, top, right, bottom] }"
)
FOCUSED = "(e => e.id || e.getAttribute('aria-label') || e.textContent)(document.activeElement)"


def box(page: Any, selector: str) -> list[float]:
    return page.locator(selector).evaluate(BOX)


def place(studio: Any, position: list[float]) -> tuple[float, float]:
    at = studio.page.evaluate("p => window.kinemaStudio.view.onPage(p)", position)
    return at["x"], at["y"]


def pull(page: Any, begin: tuple[float, float], right: float, down: float) -> None:
    x, y = begin
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=5)
    page.mouse.up()


def cursor(page: Any) -> str:
    return page.evaluate("document.querySelector('#stage canvas').style.cursor")


def contrast(page: Any, one: str, other: str) -> float:
    """WCAG's ratio of two colours of the page."""
    shades = []
    for name in (one, other):
        value = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()")
        red, green, blue = (int(value[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        shades.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(shades) + 0.05) / (min(shades) + 0.05)


def test_the_camera_is_seen_and_taken_hold_of_in_both_themes(studio):
    page = studio.page
    studio.made()
    for _ in range(2):
        assert contrast(page, "--camera", "--sky") > 3
        page.click("[data-act=theme]")
    at = place(studio, studio.get("view.shotAt(0).position"))
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).tagName", list(at)) == "CANVAS"
    page.mouse.move(*at)
    assert cursor(page) == "grab"
    studio.look("hovered")
    pull(page, at, 30, 25)
    keys = studio.doc["camera"]["keys"]
    assert len(keys) > 1, "the words follow a walker, and their way is kept"
    assert keys[0]["time"] == 0
    studio.made()
    made = studio.get("state.solved.camera.c2w")
    assert [made[3], made[7], made[11]] == pytest.approx(keys[0]["position"], abs=1e-3)
    studio.look("camera_keys")
    last = len(keys) - 1
    knob = place(studio, keys[last]["position"])
    page.mouse.move(*knob)
    assert cursor(page) == "grab"
    page.keyboard.down("Shift")
    pull(page, (knob[0] + 9, knob[1]), 0, -40)  # beside the ball, yet within reach
    page.keyboard.up("Shift")
    assert studio.doc["camera"]["keys"][last]["position"][1] > keys[last]["position"][1] + 0.2
    page.mouse.move(640, 500)
    assert cursor(page) == ""
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert studio.doc["camera"]["keys"] == []


def test_a_key_is_drawn_to_the_begin_and_stays_selected(studio):
    page = studio.page
    studio.made()
    studio.get("state.seek(1)")
    page.get_by_role("button", name="Key from the shot").click()
    left, _, _, _ = box(page, ".ruler")
    dot = page.locator("[data-key=camera-0]").bounding_box()
    middle = dot["x"] + dot["width"] / 2
    pull(page, (middle, dot["y"] + dot["height"] / 2), left + 5 - middle, 0)
    assert studio.doc["camera"]["keys"][0]["time"] == 0
    assert studio.get("state.selection") == {"kind": "camera", "person": 0, "index": 0}
    page.locator("[data-key=camera-0]").focus()
    page.keyboard.press("ArrowRight")
    assert studio.doc["camera"]["keys"][0]["time"] == 0.05
    assert page.evaluate("document.activeElement.dataset.key") == "camera-0"


def test_the_shot_becomes_large_and_small_again(studio):
    page = studio.page
    studio.made()
    small = box(page, "#shot")
    page.keyboard.press("v")
    main, large = box(page, "main"), box(page, "#shot")
    assert large[3] - large[1] > 0.9 * (main[3] - main[1])
    assert large[2] <= box(page, "#panel")[0]
    until(lambda: page.evaluate("(e => !e.hidden && e.naturalWidth > 288)(document.querySelector('#still'))"))
    studio.look("shot_large")
    page.keyboard.press("Escape")
    assert box(page, "#shot") == small
    page.locator("input[type=file][accept^='image']").set_input_files(HERO)
    until(lambda: page.locator("#rough").is_visible())
    page.get_by_role("button", name="Enlarge the shot").click()
    until(lambda: page.evaluate("document.querySelector('#rough').height") == 512)
    large = box(page, "#shot")
    assert large[3] - large[1] > 0.9 * (main[3] - main[1])
    studio.look("own_large")
    page.get_by_role("button", name="Back to the stage").click()
    until(lambda: page.evaluate("document.querySelector('#rough').height") == 384)


def test_the_view_is_sharp_again_once_it_rests(studio):
    page = studio.page
    studio.made()
    wide = "document.querySelector('#stage canvas').width"
    fine = page.evaluate(wide)
    page.evaluate("window.kinemaStudio.view.sharpness.moving = 0.5")
    page.click("#play")
    until(lambda: page.evaluate(wide) < 0.7 * fine)
    page.click("#play")
    until(lambda: page.evaluate(wide) == fine)


def test_one_way_through_the_page_by_keyboard(server, browser):
    """With five takes, which a list of the test's own stands for."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(1000 * BUDGET)
    context.add_init_script(
        f"sessionStorage.setItem('kinema.token', '{server.headers['authorization'][7:]}')"
    )
    page = context.new_page()
    take = {
        "object": "video",
        "status": "completed",
        "progress": 100,
        "stage": "",
        "created_at": 1,
        "started_at": 1,
        "completed_at": 2,
        "details": {},
        "files": {"video.mp4": 1},
        "request": {},
    }
    rows = [{**take, "id": f"video_{n}", "request": {"scene": "scene_1"}} for n in range(5)]
    page.route(
        re.compile(r"/v1/videos\?"), lambda route: route.fulfill(json={"data": rows, "has_more": False})
    )
    page.goto(str(server.base_url))
    until(lambda: page.locator("#takes li.completed").count() == 5)
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "To the words"
    assert page.locator("#skips button").first.evaluate("e => getComputedStyle(e).clipPath") == "none"
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUSED) == "block-text"
    for name, inside in (("To the timeline", "#timeline"), ("To the takes", "#takes"), ("To Film", ".start")):
        page.get_by_role("button", name=name).press("Enter")
        assert page.evaluate(f"document.querySelector('{inside}').contains(document.activeElement)"), name
    page.get_by_role("button", name="To the words").focus()
    way = []
    while not page.evaluate("document.querySelector('#panel').contains(document.activeElement)"):
        page.keyboard.press("Tab")
        way.append(page.evaluate(FOCUSED))
        assert page.evaluate("document.activeElement.matches(':focus-visible')"), way[-1]
    assert len(way) <= 12, way
    page.get_by_role("button", name="To the takes").press("Enter")
    first = page.evaluate("document.activeElement.closest('li').dataset.take")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('li').dataset.take") != first
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.closest('li') !== null"), "the focus returns"
    context.close()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_lies_over_anything_else(studio, width, height):
    page = studio.page
    page.set_viewport_size({"width": width, "height": height})
    page.click("[aria-label='Add a person']")
    until(lambda: studio.get("state.solved?.people.length") == 2)
    studio.made()
    if page.locator("#takes").is_hidden():
        page.click("[data-act=takes]")
    page.evaluate("scrollTo(0, 0)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    parts = {name: box(page, name) for name in ("#bar", "#panel", "#takes", "#shot", "footer")}
    for name, (left, top, right, bottom) in parts.items():
        assert (right - left) > 60, name
        assert (bottom - top) > 20, name
        for other, (l2, t2, r2, b2) in parts.items():
            apart = right <= l2 or r2 <= left or bottom <= t2 or b2 <= top
            assert other == name or apart, (name, other)
    shot, stage = parts["#shot"], box(page, "#stage")
    for person in (0, 1):
        x, y = place(studio, studio.get(f"view.jointsAt({person}, 0)[0]"))
        assert stage[0] < x < stage[2]
        assert stage[1] < y < stage[3]
        for left, top, right, bottom in (parts["#panel"], parts["#takes"], shot):
            assert not (left < x < right and top < y < bottom)
    if height == 720:
        assert 0 < box(page, "#film")[1] < box(page, "#film")[3] < height
    studio.look(f"size_{width}")


def test_of_two_people_shot_and_button_say_who_is_filmed(studio):
    page = studio.page

    def pictured(person: int | None) -> bool:
        asked = "performance.getEntriesByType('resource').map(e => e.name).filter(e => e.includes('/still?'))"
        urls = page.evaluate(asked)
        return any(("person=" not in url) if person is None else f"person={person}" in url for url in urls)

    studio.made()
    page.click("[aria-label='Add a person']")
    until(lambda: studio.get("state.solved?.people.length") == 2)
    studio.made()
    assert page.inner_text("#film") == "Film Person 1 and Person 2"
    assert page.locator("#shot .films").is_hidden()
    assert studio.get("view.filmed") is None
    until(lambda: pictured(None))
    page.get_by_label("Model").select_option("mini")
    assert page.inner_text("#film") == "Film Person 1 alone"
    assert page.inner_text("#shot .films") == "Person 1 alone"
    page.get_by_label("Who is filmed").select_option("1")
    assert "films one person" in page.inner_text("section[aria-label=Film]")
    assert page.inner_text("#film") == "Film Person 2 alone"
    assert studio.get("view.filmed") == 1
    studio.made()
    until(lambda: pictured(1))
    studio.look("two")


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: npm ci in studio/")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(studio, theme):
    page = studio.page
    page.emulate_media(color_scheme=theme)
    page.reload()
    page.wait_for_selector("[data-ready]")
    studio.made()

    def check(where: str) -> None:
        page.evaluate(AXE.read_text())
        found = page.evaluate(
            "axe.run().then(r => r.violations.map(v => [v.id, ...v.nodes.map(n => n.html.slice(0, 200))]))"
        )
        assert found == [], where

    check("one person")
    page.click("[aria-label='Add a person']")
    studio.get("state.seek(1)")
    until(lambda: studio.get("state.solved?.people.length") == 2)
    studio.made()
    page.get_by_role("button", name="Key from the shot").click()
    check("a camera key")
    page.get_by_role("button", name="Pose", exact=True).click()
    check("a pose")
    page.keyboard.press("v")
    check("a large shot")
    page.keyboard.press("v")
    page.keyboard.press("?")
    check("the keys")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    check("a telephone")
    page.get_by_role("button", name="Done").click()
    page.click("#way-camera")
    page.locator(".presets").scroll_into_view_if_needed()
    check("the moves of the camera on a telephone")
    page.click("#own-picture")
    check("the guide of pictures on a telephone")
    page.get_by_role("button", name="Cancel").click()
    page.set_viewport_size({"width": 1280, "height": 720})
    page.evaluate(
        "() => { const s = kinemaStudio.state; const d = structuredClone(s.doc); d.people.length = 1;"
        "for (const n of ['pictures', 'looks', 'files']) d.notes[n].length = 1;"
        "d.people[0].motion.blocks[0].end = 1; s.edit(d); }"
    )
    studio.made()
    page.click("#film")
    until(lambda: page.locator("#player").is_visible())
    check("the player")
    page.set_viewport_size({"width": 390, "height": 844})
    check("the player on a telephone")
    page.locator("#player-close").click()
    check("a take on a telephone")
    page.set_viewport_size({"width": 1280, "height": 720})
    check("a take")
