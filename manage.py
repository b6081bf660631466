#!/usr/bin/env python
"""The command line of the project."""

import os
import sys

# Exit statuses for what concerns no dossier in particular (design: the table of errors).
SETTINGS_ARE_WRONG = 7
INTERRUPTED = 130
PIPE_IS_CLOSED = 141


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a letter gets another one in its place, not a traceback.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            sys.stdout.flush()
    except ImproperlyConfigured as err:
        print(err, file=sys.stderr)
        sys.exit(SETTINGS_ARE_WRONG)
    except KeyboardInterrupt:
        print("Interrompu.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has left (`| head`): nobody is there to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_IS_CLOSED)


if __name__ == "__main__":
    main()
