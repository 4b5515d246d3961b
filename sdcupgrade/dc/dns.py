"""Names in the datacenter's DNS, asked of the resolvers of the global zone, binder among them (reference 2.8)."""

from __future__ import annotations

from sdcupgrade.errors import Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.doors.run import Runner


def lookup(run: Runner, name: str) -> tuple[str, ...]:
    """The addresses that *name* has now, sorted; none is a valid answer.

    Raises Unreachable when no resolver answers: dig then exits 9 and talks in comments on stdout.
    """
    done = run.run(("dig", "+short", "+time=2", "+tries=2", name), timeout_s=30.0)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.status != 0 or any(line.startswith(";") for line in lines):
        raise Unreachable(f"no DNS server answered for {name}: {' '.join(lines) or done.stderr.strip()}")
    return tuple(sorted(line for line in lines if line[0].isdigit()))
