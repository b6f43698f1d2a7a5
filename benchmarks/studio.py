"""What the studio's page weighs and how quick it is: `python benchmarks/studio.py`.

Starts a server on an empty folder and opens its page in headless Chromium at 1280x720, drawn in software. Measured are
the bytes of the page and all its parts, the first paint (first content, median of several openings, each with an empty
cache), and the frames per second that the page counts itself while two people play, with the processor time that the
browser spends on each. With a picture of one's own: how long until its rough take is seen through the camera, the
frames of it per second while it plays, and how long a take of four seconds takes. Of servers that have just been
started: how long after the page is opened somebody stands on the stage, and a take of the first scene plays. The load
of the machine is printed with them: other programs on it slow the page down, the processor time stays (30 frames a
second of two cores leave 67 ms for each). The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SIZE = {"width": 1280, "height": 720}
HERO = Path(__file__).resolve().parent.parent / "examples" / "character.png"
PATIENCE = 600  # seconds
MADE = (
    "(({solved, stale, making, doc}) => solved?.people.length === doc.people.length && !stale && making === null)"
    "(kinemaStudio.state)"
)
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


@contextmanager
def serving(root: Path, when: str = "readyz") -> Iterator[str]:
    """The address of a server of this benchmark's own, once it answers at `when`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "kinema",
        "serve",
        "--root",
        str(root),
        "--port",
        str(port),
        "--rate",
        "0",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: answers(f"{address}/{when}"))
        yield address
    finally:
        process.terminate()
        process.wait(60)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def wait(done: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("it took too long")
        time.sleep(0.1)


def opened(browser: Any, address: str) -> tuple[int, float]:
    """Bytes of the page and its parts without what it asks of the API, and milliseconds to the first paint."""
    context = browser.new_context(viewport=SIZE)
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    parts: list[Any] = []
    page.on("response", lambda response: "/v1/" in response.url or parts.append(response))
    page.goto(address)
    page.wait_for_selector("[data-ready]")
    wait(lambda: page.evaluate(PAINT))
    paint = page.evaluate(PAINT)
    weight = sum(len(part.body()) for part in parts if not part.url.startswith("blob:"))
    context.close()
    return weight, paint


def spent() -> float:
    """Seconds of processor time of this program's browser so far."""
    times = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "chrom" in process.name():
                taken = process.cpu_times()
                times += taken.user + taken.system
    return times


def playing(browser: Any, address: str, seconds: int) -> tuple[list[float], float]:
    """Frames per second as the page counts them, every second while two people play, and milliseconds of a frame."""
    context = browser.new_context(viewport=SIZE)
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("[data-ready]")
    page.get_by_label("Add a person").click()
    wait(lambda: page.evaluate(MADE))
    page.click("#play")
    page.wait_for_timeout(6000)  # the page finds the sharpness that it can draw
    rates = []
    before, began = spent(), time.monotonic()
    for _ in range(seconds):
        page.wait_for_timeout(1000)
        rates.append(page.evaluate("kinemaStudio.fps()"))
    cost = 1000 * (spent() - before) / (statistics.mean(rates) * (time.monotonic() - began))
    context.close()
    return rates, cost


def live(browser: Any, address: str, seconds: int) -> tuple[float, list[float], float]:
    """With a picture of one's own: seconds until it is seen, its frames per second while it plays, seconds of a take."""
    context = browser.new_context(viewport=SIZE)
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("[data-ready]")
    page.fill("#camera-text", "arc left 30deg")
    page.keyboard.press("Tab")
    wait(lambda: page.evaluate(MADE))
    began = time.monotonic()
    page.locator("input[type=file][accept^='image']").set_input_files(HERO)
    page.wait_for_selector("#rough:not([hidden])")
    seen = time.monotonic() - began
    wait(lambda: page.evaluate(MADE))
    page.click("#play")
    page.wait_for_timeout(4000)
    rates = []
    for _ in range(seconds):
        page.wait_for_timeout(1000)
        rates.append(page.evaluate("kinemaStudio.roughFps()"))
    page.click("#play")
    began = time.monotonic()
    page.click("#film")
    page.wait_for_selector("#takes li.completed")
    filmed = time.monotonic() - began
    context.close()
    return seen, rates, filmed


def fresh(browser: Any, folder: Path) -> tuple[float, float]:
    """Of a server that has just been started: seconds until somebody stands on the stage, and until a take plays.

    The clock starts when the page is opened, as soon as the server answers at all.
    """
    with serving(folder, "healthz") as address:
        context = browser.new_context(viewport=SIZE)
        context.set_default_timeout(1000 * PATIENCE)
        page = context.new_page()
        began = time.monotonic()
        page.goto(address)
        page.wait_for_function("window.kinemaStudio?.view.jointsAt(0, 0)")
        stands = time.monotonic() - began
        page.wait_for_selector("[data-ready]")
        page.click("#film")
        page.wait_for_selector("#watched")
        page.wait_for_function("document.querySelector('#watched').currentTime > 0")
        plays = time.monotonic() - began
        context.close()
    return stands, plays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--openings", type=int, default=5)
    parser.add_argument("--fresh", type=int, default=1, help="servers that are started anew")
    parser.add_argument("--only-fresh", action="store_true", help="measure nothing else")
    parser.add_argument("--seconds", type=int, default=15, help="of playing")
    options = parser.parse_args()
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    from playwright.sync_api import sync_playwright

    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="kinema-studio-") as folder,
        sync_playwright() as tools,
        tools.chromium.launch(executable_path=found, args=FLAGS) as browser,
    ):
        first = [fresh(browser, Path(folder) / f"fresh{number}") for number in range(options.fresh)]
        stands, plays = (statistics.median(each) for each in zip(*first, strict=True))
        if options.only_fresh:
            said = f"{stands:.1f} s (aim: below 3); a take plays after {plays:.1f} s (aim: below 25)"
            print(f"a fresh server's page: somebody stands there after {said}")
            print(
                json.dumps({"stands_s": round(stands, 1), "plays_s": round(plays, 1), "load": round(load, 2)})
            )
            return
        with serving(Path(folder) / "root") as address:
            openings = [opened(browser, address) for _ in range(options.openings)]
            rates, cost = playing(browser, address, options.seconds)
            seen, shown, filmed = live(browser, address, options.seconds)
    weight = openings[0][0]
    paints = sorted(paint for _, paint in openings)
    print(
        f"load of the machine: {load:.1f} before, {os.getloadavg()[0]:.1f} after, on {os.cpu_count()} cores"
    )
    print(f"page: {weight / 1e6:.2f} MB in all (aim: below 1.5)")
    print(
        f"first paint: {statistics.median(paints):.0f} ms, {paints[0]:.0f} to {paints[-1]:.0f} (aim: below 1000)"
    )
    print(f"two people playing: {statistics.median(rates):.0f} frames/s, at least {min(rates):.0f} (aim: 30)")
    print(f"a frame: {cost:.0f} ms of processor time")
    print(f"one's own picture: seen after {seen:.1f} s, the first time with everything that it loads")
    print(
        f"its rough take while it plays: {statistics.median(shown):.0f} frames/s, at least {min(shown):.0f} (aim: 12)"
    )
    print(f"a take of four seconds: {filmed:.1f} s")
    print(f"a fresh server's page: somebody stands there after {stands:.1f} s (aim: below 3)")
    print(f"page opened, a take plays: {plays:.1f} s (aim: below 25)")
    facts = {
        "page_bytes": weight,
        "first_paint_ms": round(statistics.median(paints)),
        "fps": round(statistics.median(rates), 1),
        "fps_least": round(min(rates), 1),
        "frame_cpu_ms": round(cost, 1),
        "picture_seen_s": round(seen, 1),
        "rough_fps": round(statistics.median(shown), 1),
        "rough_fps_least": round(min(shown), 1),
        "rough_take_s": round(filmed, 1),
        "stands_s": round(stands, 1),
        "plays_s": round(plays, 1),
        "load": round(load, 2),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
