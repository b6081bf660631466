#!/usr/bin/env python
"""The command line of the project."""

import os
import sys

# Exit statuses for what concerns no dossier in particular (design: the table of errors).
FAILED = 1
SETTINGS_ARE_WRONG = 7
INTERRUPTED = 130
PIPE_IS_CLOSED = 141


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    # A stream that the caller closed is one that nobody reads.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: PTH123, SIM115
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a letter gets another one in its place, not a traceback.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    except ImproperlyConfigured as err:
        print(err, file=sys.stderr)
        sys.exit(SETTINGS_ARE_WRONG)
    except KeyboardInterrupt:
        print("Interrompu.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has left (`| head`): nobody is there to be told.
        leave_streams()
        sys.exit(PIPE_IS_CLOSED)
    except OSError as err:
        if not is_full(sys.stdout):
            raise
        print(f"La sortie ne peut pas être écrite ({err.strerror}).", file=sys.stderr)
        leave_streams()
        sys.exit(FAILED)


def is_full(stream: object) -> bool:
    """Whether what was printed cannot be written out, as on a full disk."""
    try:
        stream.flush()  # type: ignore[attr-defined]
    except OSError:
        return True
    return False


def leave_streams() -> None:
    """Let Python's own flush at its end succeed: it would print a complaint, and exit with 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


if __name__ == "__main__":
    main()
