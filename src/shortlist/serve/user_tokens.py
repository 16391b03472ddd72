"""Signed user ids: a page shows with a token that it speaks for the user whose id it sends.

A public key can be read by everyone, and ids of accounts can often be guessed. With a public key that takes signed users only, a request
that names a user needs a token, which the application's own server made for that user: a JSON Web Token, signed with the secret of
the key (HS256), with the id as `sub` and the end of its validity as `exp`. Ids that `visitorId()` of the clients makes need no token:
nobody can guess their 128 random bits.

Source: RFC 7519, JSON Web Token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from shortlist.errors import RequestError, UserTokenError
from shortlist.serve.telemetry import Metrics

LEEWAY = 30
"""Seconds by which the clock of the server that made a token may differ."""
MOST = 4_096
"""Characters of a token at most."""
VISITOR = re.compile(r"v-[0-9a-f]{32}")
"""Ids that clients make for visitors."""
UNSIGNED = (
    "user_token: the key of this request takes user ids without a token; make a key that checks tokens with "
    "`shortlist keys add NAME --scopes public --signed-users`"
)


def check_users(
    metrics: Metrics, scope: MutableMapping[str, Any], users: Iterable[tuple[str, Any]], token: str | None
) -> None:
    """Check that a request may speak for the users it names.

    Parameters
    ----------
    metrics
        Counts checked tokens once a request.
    scope
        The request; the guard left the secret of its key there, if the key takes signed users only.
    users
        The ids that the request names, each with its field.
    token
        Its `user_token`.

    Raises
    ------
    UserTokenError
        A token is missing, too old, of another user, or not signed with the secret of the key.
    RequestError
        There is a token and the key does not check any.
    """
    secret = scope.get("user_secret")
    if secret is None:
        if token is not None:
            raise RequestError(UNSIGNED, field="user_token")
        return
    named = {str(user): field for field, user in users if user is not None}
    accounts = {user: field for user, field in named.items() if VISITOR.fullmatch(user) is None}
    if not accounts and token is None:
        return
    try:
        _check(secret, accounts, token)
    except UserTokenError as error:
        _count(metrics, scope, error.result)
        raise
    _count(metrics, scope, "valid")


def _check(secret: str, accounts: Mapping[str, str], token: str | None) -> None:
    """Check a token. Raises `UserTokenError`."""
    import jwt  # only servers with such keys need it
    from jwt.exceptions import InvalidSubjectError

    if token is None:
        raise UserTokenError(
            "user_token: with this key, a request that names a user needs the token that your server made for the user",
            "missing",
        )
    try:
        content = jwt.decode(
            token, secret, algorithms=["HS256"], leeway=LEEWAY, options={"require": ["sub", "exp"]}
        )
    except jwt.ExpiredSignatureError:
        raise UserTokenError(
            "user_token: the token is too old; ask your server for a new one", "expired"
        ) from None
    except (jwt.MissingRequiredClaimError, InvalidSubjectError):
        raise UserTokenError(
            'user_token: the token needs "sub", the user\'s id as text, and "exp", the end of its validity in seconds since 1970',
            "wrong",
        ) from None
    except jwt.InvalidTokenError:
        raise UserTokenError(
            "user_token: this is no token that was signed with the secret of this key (a JSON Web Token, HS256)",
            "wrong",
        ) from None
    for user, field in accounts.items():
        if user != content["sub"]:
            raise UserTokenError(f"{field}: the token (user_token) is of another user", "wrong", field)


def _count(metrics: Metrics, scope: MutableMapping[str, Any], result: str) -> None:
    """Count a token once a request, also where another layer answers it again."""
    if not scope.get("user_token_counted"):
        scope["user_token_counted"] = True
        metrics.user_tokens.labels(result).inc()
