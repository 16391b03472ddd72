"""`shortlist keys`: API keys of a server."""

from __future__ import annotations

from typing import Annotated

import typer

from shortlist.cli.store import StoreOption, open_store
from shortlist.cli.terminal import JsonOption, console, format_time, make_table, print_text, write_json

keys_app = typer.Typer(no_args_is_help=True, help="Manage the API keys of a server.")


@keys_app.command("add")
def add_key(
    name: Annotated[
        str, typer.Argument(help="The key's owner; access logs and the audit log show this name.")
    ],
    scopes: Annotated[
        str,
        typer.Option(
            help="What the key may do: recommend, events, admin, metrics; separated by commas. public: for pages in browsers."
        ),
    ] = "recommend,events",
    rate: Annotated[float, typer.Option(help="Maximum number of requests per second.")] = 100.0,
    signed_users: Annotated[
        bool,
        typer.Option(
            "--signed-users",
            help="With a public key: take the id of a user only with a token that your server signed for the user.",
        ),
    ] = False,
    store: StoreOption = None,
) -> None:
    """Create a key and print it once; the store keeps only its hash."""
    from shortlist.serve.keys import make_key, new_user_secret

    wanted = [s.strip() for s in scopes.split(",") if s.strip()]
    user_secret = new_user_secret() if signed_users else None
    secret = make_key(open_store(store, create=True), name, wanted, rate, user_secret)
    print_text(secret, "bold")
    print_text("Save it now; it is not shown again. Send it as Authorization: Bearer …", "dim")
    if "public" in scopes:
        print_text("Pages may contain it: it can only send events and ask for slates.", "dim")
    if user_secret is not None:
        print_text(user_secret, "bold")
        print_text(
            "Sign the tokens of users with this second secret, on your server only: it must not be in a page.",
            "dim",
        )


@keys_app.command("list")
def list_keys(store: StoreOption = None, json_file: JsonOption = None) -> None:
    """List all keys, without their secrets."""
    from shortlist.serve.keys import all_keys

    keys = all_keys(open_store(store))
    rows = [
        (
            key.name,
            ", ".join(sorted(key.scopes)) + (", signed users" if key.user_secret else ""),
            f"{key.rate:g}",
            format_time(key.created),
            format_time(key.revoked),
        )
        for key in keys
    ]
    if keys:
        console.print(make_table(None, ("name", "scopes", "requests/s", "created", "revoked"), rows))
    else:
        print_text("No keys: the server accepts requests from this machine only, without a key.")
    write_json(
        json_file,
        [
            {
                "name": key.name,
                "scopes": sorted(key.scopes),
                "rate": key.rate,
                "signed_users": key.user_secret is not None,
                "revoked": key.revoked is not None,
            }
            for key in keys
        ],
    )


@keys_app.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")], store: StoreOption = None) -> None:
    """Revoke a key; servers refuse it within two seconds."""
    from shortlist.serve.keys import revoke_key

    revoke_key(open_store(store), name)
    print_text(f"Key {name} is revoked.")
