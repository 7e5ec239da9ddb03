"""`python -m core notify`: where messages about runs go, and whether they arrive."""

from typing import Annotated

import typer


def notify_people(
    test: Annotated[bool, typer.Option("--test", help="Send a test message to each destination.")] = False,
) -> None:
    """List where this server's messages about runs go, without their secrets; or test them."""
    from core.errors import ConfigError
    from core.jobs.notify.channels import send_test
    from core.jobs.notify.settings import read_settings, server_destinations, settings_file

    settings = read_settings()
    destinations = server_destinations(settings) if settings else []
    if settings is None or not destinations:
        reason = "names no webhook and no e-mail recipient" if settings else "is missing"
        said = f"Nobody is notified about all runs: {settings_file()} {reason}."
        if test:
            raise ConfigError(said)
        print(said)
        return
    failed = False
    for destination in destinations:
        trouble = send_test(destination, settings) if test else ""
        failed |= bool(trouble)
        said = trouble or ("sent" if test else ", ".join(settings.events))
        print(f"{destination.label} ({destination.shown}): {said}")
    if failed:
        raise typer.Exit(1)
