"""The MkDocs plugin: puts recordings into pages, and stops a build whose prose they contradict."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from mkdocs.config import config_options
from mkdocs.config.base import Config
from mkdocs.exceptions import PluginError
from mkdocs.plugins import BasePlugin, event_priority
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

from spritedocs.recordings import ExampleError, Library, Project, RecordingError, cleaned_notebook
from spritedocs.site.content_policy import ContentPolicy
from spritedocs.site.edition import Edition
from spritedocs.site.execution import CLAIMS, EXECUTE, asked, recorded_here
from spritedocs.site.fences import visible
from spritedocs.site.glossary import Glossary
from spritedocs.site.macros import macros_of
from spritedocs.site.marks import Marks
from spritedocs.site.notebook_views import notebook_file
from spritedocs.site.notebooks import published_notebook
from spritedocs.site.offline import add_worker, flat_links
from spritedocs.site.output import SiteOutput
from spritedocs.site.page_faults import content_faults, read, told
from spritedocs.site.page_files import kind_faults, link_faults
from spritedocs.site.page_html import for_readers, light_notebook, light_page, with_names
from spritedocs.site.pages import doubted, experiment_page, extend_navigation
from spritedocs.site.rebuilds import (
    SearchEntries,
    keep_compiled_api_templates,
    keep_compiled_notebook_templates,
    keep_compiled_templates,
)
from spritedocs.site.rendering_cache import RenderedPages
from spritedocs.site.second_process import SecondProcess
from spritedocs.site.serving import watched
from spritedocs.site.take_along import downloads
from spritedocs.site.twins import Twins
from spritedocs.site.wheel import add_wheel

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.livereload import LiveReloadServer
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page

__all__ = ["SpritedocsConfig", "SpritedocsPlugin"]

log = logging.getLogger("mkdocs.plugins.spritedocs")


class SpritedocsConfig(Config):
    """The plugin's options in ``mkdocs.yml``."""

    machines = config_options.ListOfItems(config_options.Type(str), default=[])
    """The machines whose recordings are published, the preferred one first."""
    execute = config_options.Choice(EXECUTE, default="never")
    """Whether a build runs examples; the environment variable SPRITEDOCS_EXECUTE overrides it."""


class SpritedocsPlugin(BasePlugin[SpritedocsConfig]):
    """Makes the experiments' pages, serves the macros, checks the claims."""

    edition: Edition
    marks: Marks
    held: tuple[MkDocsConfig, Files]
    current_page = current_url = ""
    repo_url = wheel = ""

    def __init__(self) -> None:
        self._command = "build"
        self._executed = False
        self._output, self._second = SiteOutput(), SecondProcess()
        self._here: str | None = None
        self._faults: list[str] = []
        self._rendered, self._search = RenderedPages(), SearchEntries()

    def on_startup(self, *, command: Literal["build", "gh-deploy", "serve"], dirty: bool) -> None:
        """Remember whether this is ``serve``: there problems are shown, and nothing stops."""
        self._command = command
        self._output.start(command == "serve", dirty)

    @event_priority(100)
    def on_config(self, config: MkDocsConfig) -> None:
        """Run what has to run, and read the recordings."""
        self._rendered.wait_for_build()
        try:
            project = Project.find(Path(config.config_file_path).parent)
        except ExampleError as error:
            raise PluginError(str(error)) from None
        docs = Path(config.docs_dir)
        if faults := link_faults(project.root, docs):
            raise PluginError("\n".join(faults))
        self._policy = ContentPolicy(config.theme.dirs, live=self._command == "serve")
        cache = project.root / ".cache" / "spritedocs"
        self._output.place(config, cache / "locks")
        self.repo_url = os.environ.get("SPRITEDOCS_REPO_URL", "").rstrip("/")
        execute = asked("SPRITEDOCS_EXECUTE", self.config.execute, EXECUTE)
        claims_stop = asked("SPRITEDOCS_CLAIMS", "required", CLAIMS) == "required"
        if execute != "never" and not self._executed:
            self._executed = True
            self._here = recorded_here(project, everything=execute == "always")
        self.marks = Marks()
        self.edition = Edition(
            project,
            list(self.config.machines),
            publisher=self._here if execute == "always" else None,
            claims_stop=claims_stop,
        )
        self.edition.problems += kind_faults(project.root, docs)
        self._rendered.folder = cache / "rendered"
        keep_compiled_templates(config, cache / "templates" / "theme")
        keep_compiled_notebook_templates(config, cache / "templates" / "notebooks")
        if self._command == "serve":
            config.watch += watched(project, self._rendered.mark)

    def on_serve(self, server: LiveReloadServer, *, config: MkDocsConfig, builder: Any) -> None:
        """The first build stands: let the server last, and say what of it the reader could measure."""
        self._output.serve(server)
        with contextlib.suppress(RecordingError):  # of which the build has told
            examples = [entry.example for entry in self.edition.entries.values()]
            log.info(Library(self.edition.project).own_summary(examples))

    def on_build_error(self, *, error: Exception) -> None:
        """What was built is not to be published."""
        self._second.end()
        self._output.fail(error)

    def on_shutdown(self) -> None:
        """Publish what was built."""
        self._second.end()
        self._output.end()

    @event_priority(100)
    def on_files(self, files: Files, config: MkDocsConfig) -> None:
        """Add the experiments' pages, notebooks and downloads, before other plugins look at the files."""
        folder = self._rendered.folder.with_name("notebooks")
        self.wheel = add_wheel(config, files, self.edition.project.root)
        for name, entry in self.edition.entries.items():
            page = experiment_page(entry, self.edition, self.marks, self.repo_url, self.wheel)
            files.append(File.generated(config, f"experiments/{name}.md", content=page))
            if entry.published and entry.published.recording:
                fresh = entry.published.state == "fresh"
                notebook = published_notebook(entry.published.recording, entry, fresh)
                files.append(notebook_file(config, name, notebook, folder))
        for file in downloads(config, self.edition.entries.values()):
            files.append(file)
        extend_navigation(config, list(self.edition.entries))
        add_worker(config, files)

    def on_nav(self, nav: Navigation, *, config: MkDocsConfig, files: Files) -> None:
        """All files are known: look which rendered pages can be used again."""
        self.held = config, files
        self._rendered.begin(config, files)
        self._second.is_wanted = not self._rendered.are_kept
        self._search.use_for(config, self._rendered.folder.with_name("search.json"))
        self._twins = Twins(nav)
        glossary = files.get_file_from_path("glossary.md")
        self._glossary = Glossary(glossary.content_string if glossary else "")
        keep_compiled_api_templates(config, self._rendered.folder.with_name("templates") / "api")

    @event_priority(-100)
    def on_pre_page(self, page: Page, *, config: MkDocsConfig, files: Files) -> Page:
        """Render only what is new. The first answer of ``serve`` waits for no view of a notebook."""
        # A server that watches nothing would never show the view.
        later = self._command == "serve" and "--no-livereload" not in sys.argv
        self._second.start(config, files, leave_out="notebooks/" if later else None)
        self._rendered.use_for(page, later and page.file.src_uri.startswith("notebooks/"))
        return page

    @event_priority(100)
    def on_page_markdown(self, markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
        """Read the page's front matter, check its claims, and put in what its macros say."""
        if page.file.src_uri.endswith(".ipynb"):
            return markdown
        self.current_page, self.current_url = f"docs/{page.file.src_uri}", page.url
        if page.file.generated_by:
            self.current_page = f"examples/{Path(page.file.src_uri).stem}.py"
        page.meta, markdown, self._faults = read(page.file.content_string, self.current_page, macros_of(self))
        self.edition.check(self.current_page, page.meta.get("claims", []))
        unproven = self.edition.unproven.get(self.current_page)
        return doubted(markdown, unproven) if unproven else markdown

    @event_priority(-100)
    def on_page_content(self, html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
        """Put results where their marks stand; keep notebooks, which repeat experiments, out of search."""
        if page.file.src_uri.startswith("notebooks/"):
            page.meta.setdefault("search", {})["exclude"] = True
            return cleaned_notebook(light_notebook(html))
        if not self._faults:  # one that could not be read would be told of again, as what it left on the page
            shown = f"{page.title} {page.meta.get('description')} {html}"
            self._faults = [f"{self.current_page} {fault}" for fault in content_faults(shown)]
        self.edition.problems += self._faults
        self._twins.add(page, files, self.marks)
        html = self._glossary.explained(light_page(html), page.file.src_uri)
        return told(self._faults) + flat_links(for_readers(self.marks.replaced(html)), config)

    def on_env(self, env: Any, *, config: MkDocsConfig, files: Files) -> None:
        """All pages have been read: stop here if anything is wrong with them."""
        self._second.end()
        for notice in dict.fromkeys(self.edition.notices):
            log.info(notice)
        problems = list(dict.fromkeys(self.edition.problems))
        if self._command == "serve":
            for problem in problems:
                log.warning(problem)
        elif problems:
            raise PluginError("\n".join(problems))

    @event_priority(-100)
    def on_post_build(self, *, config: MkDocsConfig) -> None:
        """Keep what was rendered, and make what was left for later."""
        self._rendered.end()
        self._search.keep()
        self._twins.write(config)
        self._output.complete()
        self._rendered.render_postponed()

    def on_page_context(self, context: Any, *, page: Page, config: MkDocsConfig, nav: Navigation) -> Any:
        """Link a page to the file it is edited in: an experiment's is its script, a notebook has none.

        MkDocs' own ``repo_url`` would make each page ask the repository's host for its stars.
        """
        source = page.file.src_uri
        path = f"docs/{source}"
        if page.file.generated_by:
            path = f"examples/{Path(source).stem}.py"
        editable = self.repo_url and not source.startswith("notebooks/")
        page.edit_url = f"{self.repo_url}/edit/main/{path}" if editable else None
        return context

    @event_priority(-100)
    def on_post_template(self, output: str, *, template_name: str, config: MkDocsConfig) -> str:
        """Put the policy into the pages that are no documents, such as 404.html."""
        if not template_name.endswith(".html"):
            return output
        return with_names(self._policy.guarded(output, urlsplit(config.site_url or "/").path, config))

    @event_priority(-100)
    def on_post_page(self, output: str, *, page: Page, config: MkDocsConfig) -> str:
        """Put the policy into the page, and make it valid HTML whatever a recording printed."""
        return with_names(visible(self._policy.guarded(output, get_relative_url(".", page.url), config)))
