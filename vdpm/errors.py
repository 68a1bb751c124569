"""Errors that a user can cause: one line that names the value, the legal values and the way out."""

import sys
from collections.abc import Callable
from typing import NoReturn


class UserError(ValueError):
    """Bad input. Commands print the message as one line and exit with status 2."""


def unknown(kind: str, value: str, known: list[str], way_out: str) -> UserError:
    """The error for a name that is not registered: "unknown method 'x': choose one of a, b (add one as ...)"."""
    return UserError(f"unknown {kind} {value!r}: choose one of {', '.join(known)} ({way_out})")


INSTALL = "`make test` installs all, `pip install '.[EXTRA]'` less (extras: pyproject.toml)"
"""How to get a package that is missing."""

OURS = ("benchmark", "generation", "leaderboards", "vdpm")


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run a command: a `UserError` or a package that is not installed becomes one line and status 2, Ctrl-C status 130,
    anything else a traceback, a missing module of our own too."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in OURS:
            raise
        print(f"error: {package} is not installed: {INSTALL}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)
