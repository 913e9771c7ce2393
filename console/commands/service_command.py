"""A service's command, mostly `run`, with a flag for each of its settings, and `run` by default."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from energy.errors import UnavailableError

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

RUN = "run"


class RunByDefault(TyperGroup):
    """Options without a subcommand are those of `run`.

    `run` is made when it is asked for: its options are the settings, whose libraries are an extra.
    """

    @abstractmethod
    def run_command(self) -> Any:  # noqa: ANN401 - typer's own copy of click has no public name
        """The command `run`; raise UnavailableError where its extra is not installed."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in {"-h", "--help"}:
            args = [RUN, *args]
        return super().parse_args(ctx, args)

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return [RUN, *super().list_commands(ctx)]

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return self.run_command() if cmd_name == RUN else super().get_command(ctx, cmd_name)


@contextmanager
def installed(extra: str) -> Iterator[None]:
    """Say how to get the libraries of an extra where they are missing.

    Raises:
        UnavailableError: one of them is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"{error.name} is not installed", mend=f"see the extra {extra} in `negawatt doctor`"
        ) from None


def run_command(
    settings: type[BaseSettings],
    help_text: str,
    serve: Callable[[Mapping[str, str | bool | None]], None],
    *,
    name: str = RUN,
    only: Collection[str] | None = None,
) -> Any:  # noqa: ANN401 - see above
    """A command with a flag for each setting; `serve` is given those that were set.

    ``only`` names the settings that it heeds; None for all.
    """
    flags = [
        Parameter(
            setting,
            Parameter.KEYWORD_ONLY,
            default=None,
            annotation=_option(setting, field.description or "", is_bool=field.annotation is bool),
        )
        for setting, field in settings.model_fields.items()
        if only is None or setting in only
    ]

    def run(**given: str | bool | None) -> None:
        serve(given)

    run.__doc__ = help_text
    run.__signature__ = Signature(flags)  # type: ignore[attr-defined] # where typer looks
    run.__annotations__ = {flag.name: flag.annotation for flag in flags}
    lone = typer.Typer(add_completion=False)
    lone.command(name=name)(run)
    return typer.main.get_command(lone)


def _option(name: str, text: str, *, is_bool: bool) -> object:
    # Text, for the settings to read: a bad value is then said alike, flag or variable.
    if is_bool:
        return Annotated[bool | None, typer.Option(help=text)]
    metavar = name.rpartition("_")[2].upper()
    return Annotated[str | None, typer.Option(help=text, metavar=metavar)]
