"""`python -m core token ...`: the tokens with which programs use the HTTP API."""

import sys
from typing import Annotated

import typer

from core.cli.options import AsJson, RunsRoot, terminal_user
from core.cli.output import print_json
from core.team.people import Role

token_app = typer.Typer(
    help="Create, list and revoke tokens of the HTTP API, as the user who runs the server.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@token_app.command("create")
def token_create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the token is for.")],
    runs_root: RunsRoot,
    role: Annotated[Role, typer.Option(help="What may be done with it.")] = Role.VIEWER,
    owner: Annotated[
        str, typer.Option(help="Who acts with it: the author of its runs.", show_default="the logged-in user")
    ] = "",
    email: Annotated[str, typer.Option(help="Email address under which the owner logs in.")] = "",
    days: Annotated[int | None, typer.Option(help="Days until it expires.", show_default="until it is revoked")] = None,
) -> None:
    """Create a token and print it. It is kept hashed, so it can't be shown again."""
    from core.team.actions import create_api_token

    token, secret = create_api_token(terminal_user(), runs_root, name, role, owner=owner, email=email, days=days)
    print(secret)
    print(f"Token {token.id} of {token.owner}, {token.role}. It won't be shown again.", file=sys.stderr)


@token_app.command("list")
def token_list(runs_root: RunsRoot, as_json: AsJson = False) -> None:
    """List tokens, without what they are."""
    from core.team.tokens import read_tokens

    tokens = read_tokens(runs_root)
    if as_json:
        print_json([token.model_dump(mode="json", exclude={"sha256"}) for token in tokens])
        return
    if not tokens:
        print("No API token yet: the HTTP API is off. Create one with `python -m core token create NAME`.")
        return
    print(f"{'id':8}  {'name':24} {'owner':24} {'role':7} {'created':10} {'last used':10} expires")
    for token in tokens:
        used = "never" if token.last_used is None else str(token.last_used)
        expires = "never" if token.expires_at is None else f"{token.expires_at:%Y-%m-%d}"
        made = f"{token.created_at:%Y-%m-%d}"
        print(f"{token.id}  {token.name:24} {token.owner:24} {token.role:7} {made} {used:10} {expires}")


@token_app.command("revoke")
def token_revoke(
    token_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of tokens, as listed.")],
    runs_root: RunsRoot,
) -> None:
    """Revoke tokens. They stop working at once."""
    from core.team.actions import revoke_api_token

    for token_id in token_ids:
        token = revoke_api_token(terminal_user(), runs_root, token_id)
        print(f"{token.id} ({token.name}, {token.owner}): revoked.")
