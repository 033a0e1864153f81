"""Who searches for a word or an error message finds the page that says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browsing import launched, needs_chromium, opened, serving

MOST_BYTES = 250_000
IN_DEPTH = ("in-depth/",)
GUIDES = ("guide/", "in-depth/", "fix-a-slow-run/", "tune-your-own-dataset/")
HANDING, MEMORY = ("in-depth/handing-batches-to-the-gpu/",), ("in-depth/memory/",)
PLATFORMS, NUMBER = ("in-depth/platforms-and-notebooks/",), ("in-depth/the-right-number/",)
DEBUGGING, DISKS = ("in-depth/debugging-and-randomness/",), ("in-depth/slow-disks/",)
WANTED = {
    "num_workers": ("guide/",),
    "num workers": NUMBER,
    "prefetch_factor": HANDING,
    "pin_memory": HANDING,
    "pin memory": HANDING,
    "non_blocking": (*HANDING, "fix-a-slow-run/"),
    "persistent_workers": (*HANDING, "fix-a-slow-run/"),
    "multiprocessing_context": PLATFORMS,
    "in_order": GUIDES,
    "too many open files": MEMORY,
    "DataLoader worker (pid) exited unexpectedly": PLATFORMS,
    "RuntimeError: DataLoader worker (pid(s) 1234) exited unexpectedly": PLATFORMS,
    "killed by signal: Killed": DEBUGGING,
    "DataLoader timed out": DEBUGGING,
    "stack expects each tensor to be equal size": DEBUGGING,
    "bus error shared memory": MEMORY,
    "unable to allocate shared memory": MEMORY,
    "/dev/shm": MEMORY,
    "docker shm-size": MEMORY,
    "freeze_support": PLATFORMS,
    "can't pickle": PLATFORMS,
    "AttributeError: Can't pickle local object": PLATFORMS,
    "Got pickle error when attempting to start a worker Process": (*PLATFORMS, *DEBUGGING),
    "Cannot re-initialize CUDA in forked subprocess": PLATFORMS,
    "copy on write memory grows": (*MEMORY, "guide/"),
    "memory leak": MEMORY,
    "out of memory": (*MEMORY, *DEBUGGING),
    "lru_cache": MEMORY,
    "cache in each worker": MEMORY,
    "worker_init_fn seed numpy": DEBUGGING,
    "worker_init_fn": DEBUGGING,
    "random augmentation identical": DEBUGGING,
    "Too many dataloader workers": NUMBER,
    "Length of IterableDataset": NUMBER,
    "suggested max number of worker": NUMBER,
    "slurm cores": NUMBER,
    "os.cpu_count": NUMBER,
    "daemonic processes are not allowed to have children": IN_DEPTH,
    "TOKENIZERS_PARALLELISM": PLATFORMS,
    "The current process just got forked": PLATFORMS,
    "h5py fork": PLATFORMS,
    "polars hangs": PLATFORMS,
    "zarr": PLATFORMS,
    "spawn": PLATFORMS,
    "windows": PLATFORMS,
    "jupyter": PLATFORMS,
    "jpeg decode": DISKS,
    "GIL": GUIDES,
    "hang": GUIDES,
    "slow first batch": ("fix-a-slow-run/",),
    "pause before each epoch": ("fix-a-slow-run/",),
    "DatasetDict": ("fix-a-slow-run/",),
    "LightningDataModule": ("fix-a-slow-run/", "in-your-framework/"),
    "data wait": ("fix-a-slow-run/",),
    "gpu utilization low": GUIDES,
}
"""What readers type, and the pages of which one is to come first."""
LISTEN = """(() => {
    const Plain = Worker;
    window.Worker = class extends Plain {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", ({data}) => data.type === 3 && window.hear(data.data.items));
        }
    };
})()"""
"""Before a page loads: whatever the search worker answers goes to ``window.hear``, too."""
TYPE = """async queries => {
    const field = document.querySelector("[data-md-component=search-query]"), found = {};
    for (const query of queries) {
        const answer = new Promise(resolve => (window.hear = resolve));
        field.value = query;
        field.dispatchEvent(new KeyboardEvent("keyup"));
        const [first] = await answer;
        found[query] = first ? first[0].location.split("#")[0] : "nothing";
    }
    return found;
}"""


@pytest.mark.browser
@needs_chromium
def test_what_readers_type_leads_to_the_page_that_helps(site: Path) -> None:
    with serving(site) as address, launched() as browser:
        page = opened(browser).new_page()
        page.add_init_script(LISTEN)
        page.goto(address)
        page.focus("[data-md-component=search-query]")
        page.locator(".md-search-result__meta", has_text="Type to start").wait_for(state="attached")
        first = page.evaluate(TYPE, list(WANTED))
    assert {query: found for query, found in first.items() if not found.startswith(WANTED[query])} == {}


def test_an_experiment_is_found_on_its_own_page_and_not_on_its_card(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {page["location"] for page in index["docs"] if "Helpers bring the data wait down" in page["text"]}
    assert found == {"experiments/09_keeping_the_gpu_fed/"}


def test_the_search_index_is_small(site: Path) -> None:
    """It is loaded, and taken apart, by whoever searches once."""
    assert (site / "search" / "search_index.json").stat().st_size <= MOST_BYTES
