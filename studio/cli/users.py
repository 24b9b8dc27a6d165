"""`users`: who may log in where the studio is reached from other machines."""

from __future__ import annotations

from typing import Annotated

import typer

from studio.cli.command import Context, Json, call_of, group

app = group("users", "Who may log in where the studio is reached from other machines.")
Name = Annotated[str, typer.Argument(help="Lower case letters, digits, - and _.")]


@app.command("list")
def list_users(context: Context, as_json: Json = False) -> None:
    """Everybody who may log in."""
    with call_of(context).studio() as (studio, output):
        names = studio.accounts.names()
        operators = [name for name in names if studio.accounts.is_operator(name)]
        lines = [f"{name} (operator)" if name in operators else name for name in names]
        output.result({"users": names, "operators": operators}, "\n".join(lines) or "Nobody yet.")


@app.command()
def add(
    context: Context,
    name: Name,
    password: Annotated[
        str,
        typer.Option(
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            envvar="STUDIO_PASSWORD",
            help="Asked for when left out.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Add a person, or give one a new password."""
    with call_of(context).studio() as (studio, output):
        studio.accounts.add(name, password)
        output.result({"user": name}, f"{name} may log in.")


@app.command()
def remove(context: Context, name: Name, as_json: Json = False) -> None:
    """Take a person out; open sessions end."""
    with call_of(context).studio() as (studio, output):
        studio.accounts.remove(name)
        output.result({"user": name}, f"{name} may not log in any more.")


@app.command()
def operator(
    context: Context,
    name: Name,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it away again.")] = False,
    as_json: Json = False,
) -> None:
    """Let a person pull, check and remove models in the page, also out of folders of this machine."""
    with call_of(context).studio() as (studio, output):
        studio.accounts.set_operator(name, not revoke)
        words = f"{name} is {'no operator any more' if revoke else 'an operator'}."
        output.result({"user": name, "operator": not revoke}, words)
