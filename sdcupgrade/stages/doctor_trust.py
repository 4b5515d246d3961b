"""``doctor``, the part about belief: the clock, the root of trust, the metadata seen last, and where images come from.

What is stored is read and never written: metadata is brought up to date by the commands that use it.
"""

from __future__ import annotations

from sdcupgrade.doors.clock import iso
from sdcupgrade.errors import BadInput, NoInput, SdcupgradeError, Untrusted
from sdcupgrade.stages.doctor import Answer, Need
from sdcupgrade.trust.client import CLOCK_SLACK_S, Trusted
from sdcupgrade.trust.metadata import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, read
from sdcupgrade.ui import words
from sdcupgrade.updates.believed import SITE_ROOT, root_of_trust, store_of
from sdcupgrade.updates.trusted import TrustStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

    from sdcupgrade.stages.doctor import Patient
    from sdcupgrade.trust.metadata import Root

DAY_S = 86400.0
SET_CLOCK = "set the clock: ntpdate -u POOL, or date MMDDhhmmYYYY"
OFFLINE = "if this site has none: sdcupgrade doctor --offline; bits come from a bundle then (--source FILE)"
ROOT_LIMIT = 512_000
METADATA_LIMIT = 5_000_000


def clock(patient: Patient) -> Iterator[Answer]:
    """Not before this program was made, nor before the last time that metadata was verified."""
    from sdcupgrade.version import committed

    now = patient.site.doors.clock.time()
    floors = {"this program was made": committed(), "metadata was verified here": _last_verified(patient)}
    event = max(floors, key=lambda name: floors[name])
    behind = floors[event] - CLOCK_SLACK_S - now
    remedy = SET_CLOCK if behind > 0 else ""
    told = f"{iso(now)[:19]}Z" + (f", before the time at which {event}, {iso(floors[event])[:19]}Z" if remedy else "")
    yield Answer("clock", Need.YES, not remedy, "", told, remedy)


def _last_verified(patient: Patient) -> float:
    """0 where there is no root of trust, or nothing that may be read."""
    try:
        return _store(patient).last()
    except SdcupgradeError:
        return 0.0


def _store(patient: Patient) -> TrustStore:
    files = patient.site.doors.files
    return TrustStore(files, store_of(files, root_of_trust(files, patient.site.wanted.trust_root)))


def root(patient: Patient) -> Iterator[Answer]:
    """The root of trust, or the newer one that it has handed over to; it verifies itself."""
    files, need, now = patient.site.doors.files, patient.needs_signed, patient.site.doors.clock.time()
    subject = patient.site.wanted.trust_root or (SITE_ROOT if files.exists(SITE_ROOT) else "inside")
    try:
        first = Trusted(root_of_trust(files, patient.site.wanted.trust_root), now).root
    except BadInput as why:
        yield Answer("trust-root", Need.YES, False, subject, why.message, why.hint)
        return
    newer = _stored_root(patient, now)
    found = newer if newer is not None and newer.version > first.version else first
    evidence = f"version {found.version}, " + _until(found.expires, now)
    remedy = "" if found.expires > now else f"newer metadata may renew it by itself; else keep a new one as {SITE_ROOT}"
    yield Answer("trust-root", need, not remedy, subject, evidence, remedy)


def _stored_root(patient: Patient, now: float) -> Optional[Root]:
    stored = _store(patient).read(ROOT, ROOT_LIMIT)
    return Trusted(stored, now).root if stored else None


def metadata(patient: Patient) -> Iterator[Answer]:
    """Until when the metadata that was verified last can be believed without news."""
    try:
        store = _store(patient)
    except (Untrusted, NoInput, BadInput):
        return  # there is no root of trust, which the line before tells
    now = patient.site.doors.clock.time()
    ends = {}
    for role in (TIMESTAMP, SNAPSHOT, TARGETS):
        data = store.read(role, METADATA_LIMIT)
        if data is None:
            yield Answer("metadata", Need.OPTIONAL, True, "", "none was verified here yet; prepare brings it")
            return
        ends[role] = read(data, role, role).expires
    first = min(ends, key=lambda role: ends[role])
    evidence = f"verified last {iso(store.last())[:10]}; {first} " + _until(ends[first], now)
    remedy = "" if ends[first] > now else "prepare fetches newer; with no network: a newer bundle, or --metadata FILE"
    yield Answer("metadata", Need.OPTIONAL, not remedy, "", evidence, remedy)


def _until(expires: float, now: float) -> str:
    days = words.plural(round(abs(expires - now) / DAY_S), "day")
    told = f"good for {days} yet" if expires > now else f"expired {days} ago"
    return f"{told} ({iso(expires)[:10]})"


def source(patient: Patient) -> Iterator[Answer]:
    """Where images come from: there, and if it is a server, answering and of the same time."""
    from sdcupgrade.updates.source import DEFAULT_URL, UpdatesServer

    need = patient.needs_web
    wanted = patient.site.wanted.source or DEFAULT_URL
    try:
        found = patient.site.source()
        if not isinstance(found, UpdatesServer):
            yield Answer("source", Need.YES, True, found.name, "on this machine")
        elif patient.offline:
            yield Answer("source", need, True, found.name, "not asked (--offline)")
        else:
            answer = patient.site.doors.web.request("GET", f"{found.url}/ping", timeout_s=15.0)
            well = answer.status == 200
            yield Answer("source", need, well, found.name, f"/ping answers {answer.status}", "" if well else OFFLINE)
            yield from _same_time(answer.headers.get("date", ""), patient.site.doors.clock.time())
    except SdcupgradeError as why:
        yield Answer("source", need, False, wanted, why.message, OFFLINE if not why.hint else f"{why.hint}; {OFFLINE}")


def _same_time(date: str, now: float) -> Iterator[Answer]:
    """What the server's clock says; nothing when it says nothing. No proof, but worth a line."""
    from email.utils import parsedate_to_datetime

    try:
        ahead = now - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return
    if abs(ahead) > CLOCK_SLACK_S:
        evidence = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the updates server's"
        yield Answer("clock", Need.OPTIONAL, False, "", evidence, SET_CLOCK)
