"""What a user sees of an error: one line, and the exit status."""

import pytest

from vdpm.errors import UserError, run_command, unknown


def ending(main) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        run_command(main)
    return end.value.code


def raising(error: BaseException):
    def main():
        raise error

    return main


def test_success(capsys):
    assert ending(lambda: print("done")) == 0
    assert capsys.readouterr() == ("done\n", "")


def test_user_error_is_one_line(capsys):
    assert ending(raising(UserError("no such clip 'x'"))) == 2
    assert capsys.readouterr() == ("", "error: no such clip 'x'\n")


def test_interrupt(capsys):
    assert ending(raising(KeyboardInterrupt())) == 130
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("interrupted") and err.count("\n") == 1


def test_our_own_mistakes_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(raising(ZeroDivisionError()))
    with pytest.raises(ValueError, match="not the user's"):
        run_command(raising(ValueError("not the user's")))


def test_a_package_that_is_not_installed_is_one_line(capsys):
    def main():
        import no_such_package.part  # noqa: F401  # pyright: ignore[reportMissingImports]

    assert ending(main) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: no_such_package is not installed: `make test`") and err.count("\n") == 1


def test_a_missing_module_of_our_own_keeps_its_traceback():
    def main():
        import vdpm.no_such_module  # noqa: F401  # pyright: ignore[reportMissingImports]

    with pytest.raises(ModuleNotFoundError):
        run_command(main)


def test_unknown_names_what_there_is():
    error = unknown("method", "x", ["plane", "still"], "add one as benchmark/methods/x.py")
    assert isinstance(error, UserError)
    assert str(error) == "unknown method 'x': choose one of plane, still (add one as benchmark/methods/x.py)"
