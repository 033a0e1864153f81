"""What may lie in the folders of a site: links that stay, pictures, style sheets and Markdown."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mkdocs.exceptions import PluginError
from publishing import git
from running import PROJECT

from spritedocs.site import SpritedocsPlugin
from spritedocs.site.page_files import kind_faults, link_faults

links = pytest.mark.skipif(sys.platform == "win32", reason="Windows lets only administrators make links")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "clone"
    for name in ("docs/assets", "examples/recorded/here", "benchmarks", ".git"):
        (root / name).mkdir(parents=True)
    (root / "docs" / "index.md").write_text("# One\n", encoding="utf-8")
    (root / "mkdocs.yml").write_text("site_name: One\n", encoding="utf-8")
    (root / ".git" / "config").write_text("secret\n", encoding="utf-8")
    (tmp_path / "secret.png").write_text("secret\n", encoding="utf-8")
    return root


@links
@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("docs/assets/leak.png", "../../../secret.png"),
        ("docs/leak.md", "/etc/hostname"),
        ("docs/leak.png", "../.git/config"),
        ("docs/git", "../.git"),
        ("docs/all", "/"),
        ("docs/again", "."),
        ("docs/round.md", "round.md"),
        ("docs/nowhere.md", "missing.md"),
        ("docs/.all", "/"),
        ("examples/01_x.py", "../.git/config"),
        ("examples/recorded/there", ".."),
        ("examples/recorded/here/01_x.ipynb", "/etc/hostname"),
        ("benchmarks/speed.py", "../../secret.png"),
    ],
)
def test_a_link_that_leads_out_of_the_repository_is_refused(root: Path, path: str, target: str) -> None:
    (root / path).symlink_to(target)
    [fault] = link_faults(root, root / "docs")
    assert fault.startswith(f"{path} is a link to {target!r}, and a site is made only of files of its ")


@links
def test_a_link_within_the_repository_is_a_file_like_any_other(root: Path) -> None:
    (root / "docs" / "two.md").symlink_to("index.md")
    (root / "docs" / ".#index.md").symlink_to("somebody@somewhere.42")  # an editor's lock
    linked = root.with_name("linked")
    linked.symlink_to(root)
    assert link_faults(root, root / "docs") == link_faults(linked, linked / "docs") == []


@links
def test_docs_may_not_lie_elsewhere(root: Path, tmp_path: Path) -> None:
    (root / "pages").symlink_to(tmp_path)
    assert any(fault.startswith("pages is a link to ") for fault in link_faults(root, root / "pages"))


def test_a_page_is_utf_8(root: Path) -> None:
    (root / "docs" / "index.md").write_bytes("# Elfenstück\n".encode("latin-1"))
    [fault] = link_faults(root, root / "docs")
    assert fault.startswith("docs/index.md cannot be read (")
    assert fault.endswith("): store it as UTF-8 text.")


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("page.html", "<p>One</p>", "is of a kind that the site does not publish: known are .css, "),
        ("page.HTM", "<p>One</p>", "is of a kind that the site does not publish: "),
        ("run.js", "alert(1)", "is of a kind that the site does not publish: "),
        ("run.ipynb", "{}", "is of a kind that the site does not publish: "),
        ("notes", "x", "is of a kind that the site does not publish: "),
        ("a.svg", "<svg><script>x</script></svg>", "holds '<script', which can run code: "),
        ("a.svg", "<svg ONLOAD = 'x'/>", "holds 'ONLOAD =', which can run code: "),
        ("a.svg", "<svg><a href='javascript:x'/></svg>", "holds 'javascript:', which can run code: "),
    ],
)
def test_what_would_run_without_the_policy_is_refused(root: Path, name: str, text: str, fault: str) -> None:
    (root / "docs" / "assets" / name).write_text(text, encoding="utf-8")
    [said] = kind_faults(root, root / "docs")
    assert said.startswith(f"docs/assets/{name} {fault}")


def test_the_guides_own_files_may_lie_there() -> None:
    docs = PROJECT.root / "docs"
    assert link_faults(PROJECT.root, docs) + kind_faults(PROJECT.root, docs) == []


@links
@pytest.mark.parametrize("command", ["build", "serve"])
def test_a_build_stops_before_it_reads_any(root: Path, command: str) -> None:
    (root / "docs" / "leak.md").symlink_to("/etc/hostname")
    plugin = SpritedocsPlugin()
    plugin.on_startup(command=command, dirty=False)  # type: ignore[arg-type]
    config = SimpleNamespace(config_file_path=str(root / "mkdocs.yml"), docs_dir=str(root / "docs"))
    with pytest.raises(PluginError, match=r"docs/leak\.md is a link to '/etc/hostname'"):
        plugin.on_config(config)  # type: ignore[arg-type]


def test_a_cache_that_came_with_the_clone_is_refused(tmp_path: Path) -> None:
    """Whoever could fill it would run code in every build: compiled templates are part of it."""
    templates = tmp_path / ".cache" / "spritedocs" / "templates"
    templates.mkdir(parents=True)
    (templates / "main.cache").write_bytes(b"code")
    git(tmp_path, "init", "-q")
    assert link_faults(tmp_path, tmp_path / "docs") == []
    git(tmp_path, "add", "-f", ".cache")
    [fault] = link_faults(tmp_path, tmp_path / "docs")
    assert fault.startswith(
        ".cache/spritedocs/templates/main.cache is tracked by git, and .cache is for what "
    )
