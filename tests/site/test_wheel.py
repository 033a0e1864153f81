"""A site offers the package that its pages are about, and says how to install it from there."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from browsing import launched, needs_chromium, opened, serving
from mkdocs.config import load_config
from mkdocs.structure.files import Files
from running import PROJECT
from tiny import MACHINE, NAME, Built, Tiny

from spritedocs.site.edition import Edition
from spritedocs.site.marks import Marks
from spritedocs.site.pages import experiment_page
from spritedocs.site.wheel import add_wheel

WHEEL = "tiny-1.0-py3-none-any.whl"


class Builder:
    """Stands for hatchling's."""

    def __init__(self, root: str) -> None:
        assert Path(root, "pyproject.toml").is_file()

    def build(self, directory: str, versions: list[str]) -> Iterator[str]:
        assert versions == ["standard"]
        Path(directory).mkdir(parents=True)
        Path(directory, WHEEL).write_bytes(b"a wheel")
        yield str(Path(directory, WHEEL))


@pytest.fixture
def with_package(tiny: Tiny) -> Tiny:
    (tiny.root / "pyproject.toml").touch()
    tiny.edit("docs/index.md", "{{ gpu_notice() }}", "{{ gpu_notice() }}\n\n{{ install() }}\n")
    return tiny


def built(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, backend: object) -> Built:
    monkeypatch.setitem(sys.modules, "hatchling.builders.wheel", backend)
    built = tiny.build(strict=True)
    assert built.status == 0, built.said
    return built


@pytest.mark.browser
@needs_chromium
def test_pages_show_the_address_that_they_are_read_from(
    with_package: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = built(with_package, monkeypatch, SimpleNamespace(WheelBuilder=Builder)).site
    assert (site / "downloads" / WHEEL).read_bytes() == b"a wheel"
    said = f"```text\npip install downloads/{WHEEL}\n```"
    assert said in (site / "index.md").read_text(encoding="utf-8")
    with serving(site) as address, launched() as browser:
        page = opened(browser).new_page()
        for path in ("", f"experiments/{NAME}/"):
            page.goto(f"{address}/{path}")
            line = page.locator("code", has_text="pip install").first.inner_text()
            assert line == f"pip install {address}/downloads/{WHEEL}"
            assert page.request.get(line.split()[-1]).ok
            assert "pip needs" not in page.locator("body").inner_text()


@pytest.mark.browser
@needs_chromium
def test_without_scripts_the_line_has_the_relative_address_and_says_what_pip_needs(
    with_package: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = built(with_package, monkeypatch, SimpleNamespace(WheelBuilder=Builder)).site
    with serving(site) as address, launched() as browser:
        page = opened(browser, java_script_enabled=False).new_page()
        for path, up in (("", ""), (f"experiments/{NAME}/", "../../")):
            page.goto(f"{address}/{path}")
            line = page.locator("code", has_text="pip install").first
            assert line.inner_text() == f"pip install {up}downloads/{WHEEL}"
            assert page.request.get(f"{address}/{path}{line.inner_text().split()[-1]}").ok
            assert "pip needs the whole address" in page.locator("body").inner_text()


def test_without_the_build_backend_nothing_is_fetched_and_the_clone_is_named(
    with_package: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = built(with_package, monkeypatch, None)
    assert "In a clone of this guide:" in site.page("")
    assert "pip install" not in site.page(f"experiments/{NAME}")
    assert not list(site.site.rglob("*.whl"))
    assert "wheel-address" not in site.page("")


def test_the_wheel_holds_the_package_with_its_programs_and_scripts(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the build backend comes with 'pip install .[docs]'")
    files = Files([])
    config = load_config(str(PROJECT.root / "mkdocs.yml"))
    config.plugins._current_plugin = "spritedocs"
    path = add_wheel(config, files, PROJECT.root)
    assert re.fullmatch(r"downloads/spritedocs-[\d.]+-py3-none-any\.whl", path)
    with zipfile.ZipFile(files.get_file_from_path(path).abs_src_path) as wheel:
        inside = set(wheel.namelist())
    assert {
        "spritedocs/cli/entry.py",
        "spritedocs/programs/first_summons.py",
        "spritedocs/site/iframe-worker.js",
        "spritedocs/site/wheel-address.js",
        "spritedocs/watching/on_path/sitecustomize.py",
    } <= inside


@pytest.mark.parametrize(
    ("repository", "linked"), [("", 0), ("https://git.example/s/g", 0), ("https://github.com/s/g", 1)]
)
def test_a_notebook_opens_in_colab_where_that_finds_the_repository(
    tiny: Tiny, repository: str, linked: int
) -> None:
    edition, marks = Edition(tiny.project, [MACHINE]), Marks()
    page = marks.replaced(experiment_page(edition.entries[NAME], edition, marks, repository))
    address = (
        f"https://colab.research.google.com/github/s/g/blob/main/examples/recorded/{MACHINE}/{NAME}.ipynb"
    )
    assert page.count(f'href="{address}"') == page.count("colab") == linked
    assert page.count("!pip install git+https://github.com/s/g") == linked


def test_a_wheel_that_was_cleaned_away_is_built_again(
    with_package: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = SimpleNamespace(WheelBuilder=Builder)
    built(with_package, monkeypatch, backend)
    shutil.rmtree(with_package.root / ".cache" / "spritedocs" / "wheel")
    site = built(with_package, monkeypatch, backend).site
    assert (site / "downloads" / WHEEL).read_bytes() == b"a wheel"
