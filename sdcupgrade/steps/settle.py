"""After the root was replaced: wait until the zone is set up, healthy, answering and in DNS, and then look again.

No fixed sleep: every wait polls, first often and then at a fiftieth of the time already waited, so that it ends at
most about 2 % late. Every wait has a deadline from the plan, says what it waits for and what it sees meanwhile, and
gives up at once on what cannot mend itself (a failed set-up, a service in maintenance).
"""

from __future__ import annotations

from sdcupgrade.dc import dns, zones
from sdcupgrade.dc.nodes import run_on
from sdcupgrade.doors.run import Completed
from sdcupgrade.errors import BadAnswer, CommandFailed, StepFailed, TimedOut, Unreachable
from sdcupgrade.model import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Optional

    from sdcupgrade.jsonvalue import Record
    from sdcupgrade.plan.document import Step
    from sdcupgrade.steps.registry import World

    Probe = Callable[[], Optional[str]]

FIRST_POLL_S, LAST_POLL_S, FRACTION = 0.1, 5.0, 0.02


def until(world: World, subject: str, waiting_for: str, timeout_s: float, probe: Probe) -> None:
    """Poll *probe* until it gives None; what it gives else is what it sees now, and is shown.

    Raises TimedOut with the last thing seen. Programs and services that do not answer count as "not yet".
    """
    clock = world.doors.clock
    began = clock.monotonic()
    seen = ""
    while True:
        now_seen = _ask(probe)
        waited = clock.monotonic() - began
        if now_seen is None:
            return
        if now_seen != seen:
            world.emit(Event("waiting", subject, f"waiting for {waiting_for}: {now_seen}", seconds=waited))
            seen = now_seen
        if waited >= timeout_s:
            raise TimedOut(f"waited {waited:.0f} s for {waiting_for}; last seen: {seen}")
        clock.sleep(min(max(FIRST_POLL_S, waited * FRACTION), LAST_POLL_S, timeout_s - waited))


def _ask(probe: Probe) -> Optional[str]:
    try:
        return probe()
    except (Unreachable, CommandFailed, BadAnswer) as why:
        return str(why)


class Wait:
    """What all waits share: they are done when their probe is, and waiting is how they are done."""

    waiting_for = ""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.params = params
        self.step = step
        self.world = world

    def is_done(self) -> bool:
        return _ask(self.probe) is None

    def apply(self) -> None:
        until(self.world, self.step.id, self.waiting_for, self.step.timeout_s, self.probe)

    def probe(self) -> Optional[str]:
        """None when it is so; else what is seen instead."""
        raise NotImplementedError


class ZoneWait(Wait):
    """A wait that looks into one zone."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        super().__init__(params, step, world)
        self.vm = params.text("vm")
        self.alias = params.text("alias")
        self.node = world.dc.node(params.text("server"))


class WaitSetup(ZoneWait):
    """``/var/svc/setup_complete`` in the new root, as headnode.sh waits for it; ``setup_failed`` ends the wait."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        super().__init__(params, step, world)
        self.waiting_for = f"setup_complete in {self.alias}"

    def probe(self) -> Optional[str]:
        state = zones.setup_state(self.node, self.vm)
        if state is zones.SetupState.FAILED:
            raise StepFailed(
                f"{self.alias} failed its first-boot set-up (setup_failed is there)",
                f"read /zones/{self.vm}/root/var/svc/setup.log",
            )
        return None if state is zones.SetupState.COMPLETE else "first-boot set-up has not finished"


class WaitSmf(ZoneWait):
    """No SMF service of the zone complains; one in maintenance ends the wait, because only a person mends that."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        super().__init__(params, step, world)
        self.waiting_for = f"the services in {self.alias} to come online"

    def probe(self) -> Optional[str]:
        problems = zones.smf_problems(self.node, self.vm)
        broken = [problem.fmri for problem in problems if problem.state == "maintenance"]
        if broken:
            raise StepFailed(
                f"{self.alias}: {', '.join(broken)} went into maintenance", f"look with: svcs -xvz {self.vm}"
            )
        return ", ".join(f"{problem.fmri} is {problem.state}" for problem in problems) or None


class WaitPing(Wait):
    """The service answers its ping: an online SMF service may still refuse HTTP for some seconds (reference 4.6)."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        super().__init__(params, step, world)
        self.url = params.text("url")
        self.waiting_for = f"{params.text('service')} to answer its ping"

    def probe(self) -> Optional[str]:
        answer = self.world.doors.admin.request("GET", self.url, timeout_s=10.0)
        return None if answer.status == 200 else f"{self.url} answers {answer.status}"


class WaitDns(Wait):
    """binder gives the zone's address for the service's name."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        super().__init__(params, step, world)
        self.domain = params.text("domain")
        self.ip = params.text("ip")
        self.waiting_for = f"{self.domain} in DNS"

    def probe(self) -> Optional[str]:
        addresses = dns.lookup(self.world.doors.run, self.domain)
        return None if self.ip in addresses else f"the name gives {', '.join(addresses) or 'nothing'}, not {self.ip}"


class WaitTransport(Wait):
    """sdc-oneachnode reaches the servers: it lives in the sdc zone and speaks through rabbitmq (reference 4.8)."""

    waiting_for = "the servers to take commands"

    def probe(self) -> Optional[str]:
        servers = self.params.texts("servers")
        answers = run_on(self.world.doors, servers, "true", 30.0)
        silent = [server for server in servers if not isinstance(answers.get(server), Completed)]
        names = [self.world.dc.hostnames.get(server, server) for server in silent]
        return f"{', '.join(names)} did not answer" if names else None


class Verify(ZoneWait):
    """Read the zone once more: the image that was wanted, and running. Never taken from memory."""

    def is_done(self) -> bool:
        return False

    def apply(self) -> None:
        image = self.params.text("image")
        zone = zones.get(self.node, self.vm)
        if zone.image_uuid != image or zone.state != "running":
            raise StepFailed(f"{self.alias} is {zone.state} on image {zone.image_uuid}, wanted running on {image}")
