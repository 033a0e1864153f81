"""How long `mkdocs serve` takes until it answers, and until it shows an edit.

    python benchmarks/site/serving.py

Each file is edited in place and put back. Beside the time stands the CPU time of the server, which says
more on a busy machine. Remove `.cache/spritedocs/rendered` for the first start of a fresh clone.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
EDITS = {
    "docs/index.md": ("A guide to ", ""),
    "docs/guide/summoning-helpers.md": ("## ", "guide/summoning-helpers/"),
    "examples/06_optional_num_workers.py": ("# # ", "experiments/06_optional_num_workers/"),
    "src/spritedocs/timeline/tracing.py": ('"""', "api/timeline/"),
}
"""What is edited: what the new words follow, and the page that shows them."""


def _wait(server: psutil.Popen, what: str, address: str, text: str) -> None:
    begun, spent, shown = time.monotonic(), sum(server.cpu_times()[:2]), ""
    while text not in shown:
        time.sleep(0.02)
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                shown = answer.read().decode()
        except OSError:
            continue
    spent = sum(server.cpu_times()[:2]) - spent
    print(f"{what} after {time.monotonic() - begun:.1f} s, {spent:.1f} s of CPU time", flush=True)


with socket.create_server(("127.0.0.1", 0)) as free:
    ADDRESS = f"127.0.0.1:{free.getsockname()[1]}"
COMMAND = [sys.executable, "-m", "mkdocs", "serve", "--dev-addr", ADDRESS]
with psutil.Popen(COMMAND, cwd=ROOT, stderr=subprocess.DEVNULL) as serving:
    try:
        _wait(serving, "answers", f"http://{ADDRESS}/", "</html>")
        for name, (before, page) in EDITS.items():
            path, words = ROOT / name, f"Edited at {time.time():.0f}"
            text = path.read_text(encoding="utf-8")
            assert before in text, f"{name} has no {before!r} any more"
            time.sleep(2)
            try:
                path.write_text(text.replace(before, f"{before}{words}. ", 1), encoding="utf-8")
                _wait(serving, f"shows an edit of {name}", f"http://{ADDRESS}/{page}", words)
            finally:
                path.write_text(text, encoding="utf-8")
    finally:
        serving.terminate()
