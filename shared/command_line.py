"""What both command lines share: errors as one line, traces with --debug, JSON as last line."""

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from shared.errors import NestorError, UsageError

#: Exit codes: the caller can mend it; anything else that Nestor raised.
EXIT_USAGE, EXIT_FAILED = 2, 1


class NestorGroup(click.Group):
    """A group of commands whose errors are one line without a trace, unless --debug is given."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command and turn Nestor's errors into a line and an exit code."""
        try:
            return super().invoke(ctx)
        except NestorError as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"error: {error}", err=True)
            sys.exit(EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED)


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON object as one line."""
    click.echo(json.dumps(document, ensure_ascii=False))
