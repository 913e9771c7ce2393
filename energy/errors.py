"""What can go wrong with what a person or another system hands us.

Hierarchy:

* NegawattError
  x InputError        bad file, value or option: exit code 2
  x UnavailableError  something outside is missing, refuses or does not answer: exit code 1

Each message is one line: what is wrong, where, and how to mend it. The console prints it as it is.
"""

from __future__ import annotations


class NegawattError(Exception):
    """Base of every error that a user is meant to read."""

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what = what
        self.where = where
        self.mend = mend
        located = f"{where}: {what}" if where else what
        super().__init__(" ".join(f"{located}; {mend}".split()) if mend else located)


class InputError(NegawattError, ValueError):
    """A file, value or option that cannot be used."""


class UnavailableError(NegawattError):
    """A component, server or permission that is missing."""
