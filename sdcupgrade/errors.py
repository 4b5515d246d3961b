"""Every error that sdcupgrade raises on purpose, with its exit status.

This module is the exit-code table of ``docs/exit-codes.md``: one class, one status, one short reference. Inner code
raises with facts; one handler in :mod:`sdcupgrade.cli.main` prints message, hint and log path.
"""

from __future__ import annotations


class SdcupgradeError(Exception):
    """The base of everything raised on purpose.

    *message* says what happened, *hint* what to do next (one line, a command where there is one), *state* what was and
    was not touched, a line each. The operator reads the *advice* of the class where nobody who raised it knew better.
    """

    status = 1
    reference = "failed"
    advice = ""

    def __init__(self, message: str, hint: str = "", state: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.state = state


class UsageError(SdcupgradeError):
    """The command line makes no sense."""

    status = 2
    reference = "usage"
    advice = "sdcupgrade COMMAND --help tells how it goes"


class Refused(SdcupgradeError):
    """The plan cannot be made, or may not be carried out; nothing was changed."""

    status = 3
    reference = "refused"


class Unhealthy(SdcupgradeError):
    """A named health check failed and was not ignored; nothing was changed."""

    status = 4
    reference = "unhealthy"


class StepFailed(SdcupgradeError):
    """A step of the upgrade or rollback failed; the run stopped there and evidence was kept."""

    status = 5
    reference = "step-failed"


class TimedOut(StepFailed):
    """A wait reached its deadline; the message says for what, how long, and what was last seen."""

    reference = "timed-out"


class Declined(SdcupgradeError):
    """The operator said no at the prompt, or nobody was there to ask; nothing was changed."""

    status = 6
    reference = "declined"


class PlanMoved(Refused):
    """The plan or its spec was edited, or the datacenter is no longer what it was planned from."""

    status = 7
    reference = "plan-moved"


class BadInput(SdcupgradeError):
    """A file the operator wrote (the spec, a plan, an option's value) is wrong."""

    status = 65
    reference = "bad-input"
    advice = "put it right, then type the same command again"


class NoInput(SdcupgradeError):
    """A file or work dir that the command needs does not exist."""

    status = 66
    reference = "no-input"
    advice = "see where it went, then type the same command again"


class Unreachable(SdcupgradeError):
    """A service or server did not answer: no name, refused, timed out, TLS failure, HTTP 5xx."""

    status = 69
    reference = "unreachable"
    advice = "see whether it is up, and what is in between (network, firewall), then type the same command again"


class Bug(SdcupgradeError):
    """sdcupgrade itself failed in a way nobody foresaw; the traceback is in the log."""

    status = 70
    reference = "bug"


class StorageError(SdcupgradeError):
    """A file could not be read or written: disk full, read-only, permission."""

    status = 73
    reference = "storage"
    advice = "see what is wrong with that path, then type the same command again"


class LockHeld(SdcupgradeError):
    """Another sdcupgrade is changing this datacenter."""

    status = 75
    reference = "lock-held"


class BadAnswer(SdcupgradeError):
    """A program or service answered something that cannot be understood, or with an error status."""

    status = 76
    reference = "bad-answer"
    advice = "the log has what was asked; ask it by hand, mend what answers so, then type the same command again"


class NotHere(SdcupgradeError):
    """Not on a headnode, or not root on a real one."""

    status = 77
    reference = "not-here"


class Untrusted(SdcupgradeError):
    """Signed metadata cannot be believed: a signature, a version going back, an expiry, a form that is not TUF's."""

    status = 78
    reference = "untrusted"
    advice = "nothing of it was used; type the same command again, or tell the keeper of the updates server"


class Corrupt(SdcupgradeError):
    """Downloaded bytes are not what was promised (size or digest)."""

    status = 79
    reference = "corrupt"
    advice = "nothing was imported; type the same command again, or tell the keeper of the updates server"


class Interrupted(SdcupgradeError):
    """The operator pressed Ctrl-C, or the process was told to stop."""

    status = 130
    reference = "interrupted"


class CommandFailed(SdcupgradeError):
    """An outside program could not be run, ran out of time, or exited non-zero where that is an error."""

    status = 71
    reference = "command-failed"
    advice = "the log has the whole command; run it by hand to see more, then type the same sdcupgrade command again"


class HttpError(BadAnswer):
    """A service answered with an HTTP error status; *code* is the restify error code when there was one."""

    reference = "http-error"

    def __init__(self, message: str, http_status: int, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint)
        self.http_status = http_status
        self.code = code
