"""What holds of every ending that is not good: the documented status, one clear line with a remedy, nothing changed."""

from __future__ import annotations

from site_in_a_box import Ran, Site

KINDS = ("vm", "sapi_application", "sapi_service", "sapi_instance", "sapi_manifest", "image", "installed", "dataset")


def everything(site: Site) -> dict[str, object]:
    """All that a command could change: the datacenter by ``kind/id``, the operator's and our own files by path."""
    found: dict[str, object] = {}
    for kind in KINDS:
        found.update({f"{kind}/{id}": doc for id, doc in site.dc.store.items(kind)})
    for id, zone in site.dc.store.items("zone"):
        found[f"zone/{id}"] = zone["history"]
    for folder in (site.ops, site.gz / "var/tmp", site.gz / "var/sdcupgrade", site.gz / "usbkey"):
        for path in folder.rglob("*"):
            if path.is_file() and path.name != "lock":
                found[str(path.relative_to(site.gz.parent))] = path.read_bytes()
    return found


def changes(before: dict[str, object], after: dict[str, object], but: tuple[str, ...] = ()) -> list[str]:
    """The names of what is not as it was; *but* are beginnings of names that may change."""
    names = {*before, *after}
    return sorted(name for name in names if before.get(name) != after.get(name) and not name.startswith(but or "\0"))


def ending(ran: Ran) -> list[str]:
    """The last lines that the operator reads: what happened, how things stand, then what is next, in one line."""
    assert "Traceback" not in ran.err + ran.out
    lines = ran.err.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("sdcupgrade: ")]
    assert len(starts) == 1, ran.err
    state = [line for line in lines[starts[0] :] if line.startswith("  state: ")]
    last = [line for line in lines[starts[0] :] if line not in state]
    assert [line.partition(":")[0] for line in last[:2]] == ["sdcupgrade", "  next"], ran.err
    assert len(last) == 2 or (len(last) == 3 and last[2].startswith("  log: /var/log/sdcupgrade/")), ran.err
    return last[:1] + state + last[1:]


def hint(ran: Ran) -> str:
    """What to type next."""
    return next(line for line in ending(ran) if line.startswith("  next: "))


def told(ran: Ran, status: int, *words: str) -> Ran:
    """The documented status; *words* are in the ending, or in the answer above it."""
    assert ran.status == status, ran.err
    text = "\n".join(ending(ran)) + ran.out
    for word in words:
        assert word in text
    return ran


def refused(site: Site, line: str, status: int, *words: str, but: tuple[str, ...] = ()) -> Ran:
    """Run a command that must fail so, and change nothing but what begins with *but*."""
    before = everything(site)
    ran = told(site.run(line), status, *words)
    assert changes(before, everything(site), but) == []
    return ran
