"""Takes the pictures of the web page and of a report that README and docs show.

    python docs/pictures/take.py runs/balanced

Needs requirements-peers.txt and a Chromium (apt-get install chromium, or playwright install
chromium). Writes serve.png and report.png beside this file.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
SENTENCE = "Maria Lopez resigned as chief executive of Microsoft."


def main():
    """Serves the run, opens both pages, and saves what they show."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="run directory")
    run = parser.parse_args().run.resolve()
    if not (run / "report.html").is_file():
        parser.error(f"{run} is no finished run: it has no report.html")
    server = subprocess.Popen(
        [sys.executable, "-m", "mtt_jax", "serve", str(run), "--port=0"],
        stderr=subprocess.PIPE, text=True, cwd=HERE.parent.parent,
    )  # fmt: skip
    events = map(json.loads, server.stderr)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            address = next(event["url"] for event in events if event["event"] == "listening")
            page = browser.new_page(viewport={"width": 900, "height": 400}, device_scale_factor=1.5)
            page.set_default_timeout(0)
            page.goto(address)
            page.get_by_role("textbox").fill(SENTENCE)
            page.locator("mark").first.wait_for()
            page.screenshot(path=HERE / "serve.png", full_page=True)
            page.set_viewport_size({"width": 1120, "height": 900})
            page.goto((run / "report.html").as_uri())
            page.locator("svg").last.wait_for()
            page.get_by_role("heading", name="ner", exact=True).first.evaluate(
                "heading => heading.scrollIntoView()"
            )
            page.screenshot(path=HERE / "report.png")
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
