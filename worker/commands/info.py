"""`nestor-worker info`: the counted and the published figures of a variant."""

import click

from shared.command_line import print_json


@click.command()
@click.argument("variant")
@click.option("--size", type=click.IntRange(min=1), help="Input size; the native one if left out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def info(variant: str, size: int | None, as_json: bool) -> None:
    r"""Print parameters and multiply-adds of VARIANT beside the published figures.

    \b
    nestor-worker info resnest50
    nestor-worker info resnest269 --size 320 --json
    """
    from worker.models.description import describe, render

    description = describe(variant, size)
    if as_json:
        print_json(description.as_dict())
    else:
        click.echo("\n".join(render(description)))
