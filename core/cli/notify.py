"""`python -m core notify`: where messages about runs go, and whether they arrive."""

import sys
from typing import Annotated

import typer


def notify(
    test: Annotated[bool, typer.Option("--test", help="Send a test message to each destination.")] = False,
) -> None:
    """List where this server's messages about runs go, without their secrets; or test them."""
    from core.jobs.notify.channels import send_test
    from core.jobs.notify.settings import read_settings, server_destinations, settings_file

    settings = read_settings()
    destinations = server_destinations(settings) if settings else []
    if settings is None or not destinations:
        reason = "names no webhook and no e-mail recipient" if settings else "is missing"
        print(f"Nobody is notified about all runs: {settings_file()} {reason}.", file=sys.stderr)
        sys.exit(2 if test else 0)
    failed = False
    for destination in destinations:
        said = (send_test(destination, settings) or "sent") if test else ", ".join(settings.events)
        failed |= test and said != "sent"
        print(f"{destination.label} ({destination.shown}): {said}")
    if failed:
        sys.exit(1)
