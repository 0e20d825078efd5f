"""What can go wrong in a way that the person at the command line can put right.

    Failure                     exit 1   something was found wrong
    ├── WrongUse                exit 2   an argument or a setting
    ├── Unreachable             exit 3   Kafka, ClickHouse or the gateway does not answer
    │   └── Refused             exit 3   it answers, and refuses our user, certificate or protocol
    └── Unavailable             exit 4   a port is taken, a directory is in use, a service did not start

Every message is one line that says what to do next. `infra.cli` prints it and exits with the code.
"""

from __future__ import annotations


class Failure(Exception):
    """Something was found wrong: an audit that does not add up, a timeout."""

    exit_code = 1


class WrongUse(Failure):
    """An argument or a setting that cannot be used."""

    exit_code = 2


class Unreachable(Failure):
    """A server that is needed does not answer."""

    exit_code = 3


class Refused(Unreachable):
    """A server that is needed answers, and refuses our user, certificate or protocol."""


class Unavailable(Failure):
    """Something on this machine is in the way."""

    exit_code = 4
