"""Hooks of the documentation site.

Guides link to files of the repository outside `docs/`, so that the links work on GitHub, too. The site has no such files:
the hook adds the Markdown ones as pages and the others as downloads, and points the links to them. It also writes the
command-line reference from the commands themselves, and puts diagrams into the page, so that they follow its theme.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "benchmarks/RESULTS.md": "reference/measurements.md",
    "benchmarks/real/README.md": "reference/real-logs.md",
    "CHANGELOG.md": "reference/changelog.md",
    "CONTRIBUTING.md": "reference/contributing.md",
}
COMMANDS = "reference/command-line.md"
DEPLOY_LIST = "reference/deploy.md"
DIAGRAM = re.compile(r"!\[([^\]]*)\]\([^)\s]*assets/diagrams/([\w-]+\.svg)\)")
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and downloads that come from outside `docs/`."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    downloads = sorted(path for path in (ROOT / "deploy").iterdir() if path.is_file())
    for path in downloads:
        files.append(File.generated(config, f"deploy/{path.name}", abs_src_path=str(path)))
    files.append(File.generated(config, DEPLOY_LIST, content=_deploy_list(downloads)))
    files.append(File.generated(config, COMMANDS, content=_commands()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links that leave `docs/` to the added pages."""
    uri = page.file.src_uri
    if uri == PAGES["benchmarks/RESULTS.md"]:
        markdown = _one_title(markdown)
    sources = {site: source for source, site in PAGES.items()}
    written_in = sources.get(uri, f"docs/{uri}")

    def site_link(match: re.Match[str]) -> str:
        before, link, anchor, after = match[1], match[2], match[3] or "", match[4]
        if re.match(r"[a-z]+:|/", link):
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(written_in), link))
        known = _site_path(target)
        if known is None:
            return match[0]
        return f"{before}{posixpath.relpath(known, posixpath.dirname(uri) or '.')}{anchor}{after}"

    return LINK.sub(site_link, DIAGRAM.sub(_inline_diagram, markdown))


def _one_title(markdown: str) -> str:
    """Return a page in which only the first heading has level 1; sections that begin with level 1 move down by one."""
    lines, seen, deeper, fenced = [], False, False, False
    for line in markdown.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("# ") and not fenced:
            deeper, seen = seen, True
        elif line.startswith("<!-- end of"):
            deeper = False
        is_heading = line.startswith("#") and not fenced
        lines.append(f"#{line}" if is_heading and deeper else line)
    return "\n".join(lines)


def _site_path(target: str) -> str | None:
    """Return the path in the site of a path in the repository."""
    if target in PAGES:
        return PAGES[target]
    if target == "README.md":
        return "index.md"
    if target == "deploy":
        return DEPLOY_LIST
    if target.startswith("deploy/"):
        return target
    return target.removeprefix("docs/") if target.startswith("docs/") else None


def _inline_diagram(match: re.Match[str]) -> str:
    """Return the SVG itself, which takes its colours from the theme of the page."""
    svg = (ROOT / "docs" / "assets" / "diagrams" / match[2]).read_text(encoding="utf-8")
    return f'<figure class="diagram">{svg.strip()}</figure>'


def _deploy_list(downloads: list[Path]) -> str:
    rows = "\n".join(f"- [`{path.name}`](../deploy/{path.name})" for path in downloads)
    return f"# Deployment files\n\nExamples to start from. [Serving](../how-to/serve.md) explains them.\n\n{rows}\n"


def _commands() -> str:
    """Return the reference of all commands and options, from the command-line application."""
    import typer

    from shortlist.cli.main import app

    lines = [
        "# Command line",
        "",
        "This page is generated from the commands. `shortlist COMMAND --help` prints the same.",
        "",
    ]
    group: Any = typer.main.get_command(app)
    _describe(group, "shortlist", lines)
    return "\n".join(lines) + "\n"


def _describe(command: Any, path: str, lines: list[str]) -> None:
    if path != "shortlist":
        lines += [f"## `{path}`", "", _clean(command.help or ""), ""]
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        usage = " ".join(
            [path, *(a.name.upper() if a.required else f"[{a.name.upper()}]" for a in arguments)]
        )
        lines += ["```text", usage + (" [OPTIONS]" if options else ""), "```", ""]
        if arguments or options:
            lines += ["| argument or option | default | meaning |", "| --- | --- | --- |"]
            for parameter in (*arguments, *options):
                lines.append(_row(parameter))
            lines.append("")
    for name, sub in getattr(command, "commands", {}).items():
        if not sub.hidden:
            _describe(sub, f"{path} {name}", lines)


def _row(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if is_option else [parameter.name.upper()]
    text = _clean(getattr(parameter, "help", None) or "").replace("\n", " ").replace("|", "\\|")
    return f"| {', '.join(f'`{name}`' for name in names)} | {_default(parameter)} | {text} |"


def _default(parameter: Any) -> str:
    default = parameter.default
    if parameter.required:
        return "required"
    if isinstance(default, bool):
        flags = parameter.opts if default else parameter.secondary_opts
        return f"`{flags[0]}`" if flags else "–"
    return "–" if default in (None, [], ()) or callable(default) else f"`{default}`"


def _clean(text: str) -> str:
    """Return help text without Rich's markup escapes."""
    return text.replace("\\[", "[").replace("\f", "").strip()
