"""`shortlist models`: which bundle of a folder serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.terminal import JsonOption, console, format_time, make_table, print_text, write_json

models_app = typer.Typer(no_args_is_help=True, help="Choose which bundle of a folder serves.")
FolderArgument = Annotated[Path, typer.Argument(help="The folder of bundles that `shortlist serve` serves.")]
VersionArgument = Annotated[str, typer.Argument(help="The bundle's version, as `models list` shows it.")]


@models_app.command("list")
def list_models(folder: FolderArgument, json_file: JsonOption = None) -> None:
    """List all bundles, oldest first, with their roles."""
    from shortlist.bundle.registry import BundleRegistry

    models = BundleRegistry(folder)
    state, current = models.decisions(), models.current().version
    listed = []
    for model in models.list():
        has_role = {
            "serves": model.version == current,
            "pinned": model.version == state["pinned"],
            f"canary {state['canary'].get('share', 0):.0%}": model.version == state["canary"].get("version"),
            "shadow": model.version == state["shadow"],
        }
        listed.append((model, [role for role, has in has_role.items() if has]))
    rows = [(m.version, format_time(m.made), ", ".join(roles), m.rejected) for m, roles in listed]
    console.print(make_table(None, ("version", "created", "role", "rejected because"), rows))
    write_json(
        json_file,
        [
            {"version": m.version, "made": m.made, "roles": roles, "rejected": m.rejected}
            for m, roles in listed
        ],
    )


@models_app.command()
def promote(folder: FolderArgument, version: VersionArgument) -> None:
    """Pin a bundle: it serves until another is promoted or the pin is released."""
    from shortlist.bundle.registry import BundleRegistry

    print_text(
        f"{BundleRegistry(folder).promote(version).version} is pinned; servers load it within seconds."
    )


@models_app.command()
def rollback(folder: FolderArgument) -> None:
    """Pin the bundle that served before the current one."""
    from shortlist.bundle.registry import BundleRegistry

    print_text(f"{BundleRegistry(folder).rollback().version} is pinned; servers load it within seconds.")


@models_app.command()
def follow(folder: FolderArgument) -> None:
    """Release the pin: the newest bundle serves."""
    from shortlist.bundle.registry import BundleRegistry

    models = BundleRegistry(folder)
    models.release()
    print_text(f"The newest bundle serves: {models.current().version}.")


@models_app.command()
def canary(
    folder: FolderArgument,
    version: VersionArgument,
    share: Annotated[float, typer.Option(help="Fraction of the users, 0 to 1 (0 ends the canary).")] = 0.05,
) -> None:
    """Let a bundle answer a fraction of the users."""
    from shortlist.bundle.registry import BundleRegistry

    model = BundleRegistry(folder).set_canary(version, share)
    print_text(
        f"{model.version} answers {share:.0%} of the users." if share else f"{model.version} is not a canary."
    )


@models_app.command()
def shadow(
    folder: FolderArgument,
    version: Annotated[
        str | None, typer.Argument(help="The bundle's version (default: none, which ends the shadow).")
    ] = None,
) -> None:
    """Run a bundle beside the serving one without showing its slates; /metrics reports shortlist_shadow_overlap."""
    from shortlist.bundle.registry import BundleRegistry

    BundleRegistry(folder).set_shadow(version)
    print_text(f"{version} is the shadow." if version else "There is no shadow.")
