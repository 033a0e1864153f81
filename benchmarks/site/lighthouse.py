"""How do the built pages do in Lighthouse, beside an empty page of Material's?

**Motive.** A page that loads slowly, or that a screen reader cannot read, is left.

**What is measured.** Lighthouse's four scores (0 to 100, on its slow phone), the elements of a page, and
what a first view weighs as it is sent, compressed, without the search index. Each page of `site/` once; the
empty page before, between and after them, because its performance is what this machine gives Material.

**Caveat.** Performance is a time on this machine, on which nothing else should run.

    make lighthouse [RECORD=--record]
"""

from __future__ import annotations

import gzip
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from runs import PROJECT, Run, options

from spritedocs.report import Measurement, Report, count

LIGHTHOUSE = PROJECT.root / ".cache" / "lighthouse" / "node_modules" / ".bin" / "lighthouse"
SCORES = ("performance", "accessibility", "best-practices", "seo")
KINDS = {
    "home": "index.html",
    "guide": "guide/*/index.html",
    "in_depth": "in-depth/*/index.html",
    "experiments": "experiments/*/index.html",
    "reference": "api/*/index.html",
    "others": "*/index.html",
}


class _Compressed(http.server.SimpleHTTPRequestHandler):
    """Serves files as a web host does: text compressed, everything to be kept for a while."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            return self.send_error(404)
        kind, content = self.guess_type(path), path.read_bytes()
        self.send_response(200)
        if kind.startswith("text/") or kind.endswith(("javascript", "json", "xml")):
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "max-age=86400")
        self.end_headers()
        self.wfile.write(content)
        return None

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which ``folder`` is served."""
    handler = partial(_Compressed, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def judged(address: str) -> dict[str, float]:
    """What Lighthouse says of the page at ``address``: scores of 0 to 100, ``elements``, ``kilobytes``."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        flags = "--headless=new --no-sandbox"
        command = [str(LIGHTHOUSE), address, "--quiet", f"--chrome-flags={flags}", "--output=json"]
        chromium = {"CHROME_PATH": shutil.which("chromium") or ""}
        subprocess.run(
            [*command, f"--output-path={found}"], env={**os.environ, **chromium}, check=True, timeout=180
        )
        told: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    audits = told["audits"]
    scores = {name: 100 * told["categories"][name]["score"] for name in SCORES}
    for name, audit in audits.items():
        if audit["score"] == 0 and audit["scoreDisplayMode"] == "binary":
            print(f"{address}: {name}", file=sys.stderr)
    sent = audits["network-requests"]["details"]["items"]
    weight = sum(each["transferSize"] for each in sent if "search_index" not in each["url"])
    return {**scores, "elements": audits["dom-size"]["numericValue"], "kilobytes": weight / 1000}


def empty_page(folder: Path) -> Path:
    """A site of one page, as Material makes it without being told anything."""
    (folder / "docs").mkdir()
    (folder / "docs" / "index.md").write_text("# Nothing\n", encoding="utf-8")
    settings = "site_name: nothing\nsite_description: nothing\ntheme: { name: material, font: false }\n"
    (folder / "mkdocs.yml").write_text(settings, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "mkdocs", "build", "-q"], cwd=folder, check=True)
    return folder / "site"


def measure() -> Report:
    """Look at every page of ``site/``."""
    site, seen = PROJECT.root / "site", set[Path]()
    pages: dict[str, list[dict[str, float]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        served(empty_page(Path(folder))) as nothing,
        served(site) as address,
    ):
        for kind, pattern in KINDS.items():
            pages.setdefault("nothing", []).append(judged(nothing))
            for page in sorted(set(site.glob(pattern)) - seen):
                seen.add(page)
                pages.setdefault(kind, []).append(judged(f"{address}{page.parent.relative_to(site)}/"))
        pages["nothing"].append(judged(nothing))
    named = {"nothing": "an empty page of Material's"}
    return Report(
        title="Lighthouse, by kind of page",
        columns=("", "pages", "performance, the middle one", *SCORES[1:], "elements, at most", "kB, at most"),
        rows=[
            (
                named.get(kind, kind.replace("_", " ")),
                str(len(found)),
                Measurement.of(f"performance_{kind}", [each["performance"] for each in found], ""),
                *(_count(score, kind, min(each[score] for each in found)) for score in SCORES[1:]),
                _count("elements", kind, max(each["elements"] for each in found)),
                Measurement.of(f"kilobytes_{kind}", [max(each["kilobytes"] for each in found)], "kB"),
            )
            for kind, found in pages.items()
        ],
        notes=["Accessibility, best practices and SEO are those of the worst page of a kind."],
    )


def _count(what: str, kind: str, value: float) -> Measurement:
    return count(f"{what.replace('-', '_')}_{kind}", round(value))


if __name__ == "__main__":
    if not LIGHTHOUSE.exists():
        raise SystemExit("lighthouse is not installed: `make lighthouse` does it, and needs npm.")
    wanted = options(__doc__).parse_args()
    run = Run(__file__)
    run.publish(measure(), wanted.record)
