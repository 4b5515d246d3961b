"""A bundle as a place that images come from, what a site need not be sent again, and whose signature counts."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess

import pytest
from bundle_makers import DATA, IMGAPI, ORIGIN, TOOLS, Maker, flipped, manifest, parts

from sdcupgrade.doors import Doors
from sdcupgrade.doors.clock import RealClock
from sdcupgrade.doors.http import UrllibHttp
from sdcupgrade.doors.run import SubprocessRunner
from sdcupgrade.errors import BadInput, CommandFailed, Corrupt, NoInput, Untrusted
from sdcupgrade.log import Log
from sdcupgrade.stages.bundle_base import Base, read_base
from sdcupgrade.stages.bundle_look import difference, listing
from sdcupgrade.updates import bundle_sign
from sdcupgrade.updates.bundle import Bundle
from sdcupgrade.updates.bundle_source import BundleSource
from sdcupgrade.updates.source import Part


@pytest.fixture
def maker(tmp_path: pathlib.Path) -> Maker:
    """Writes bundles."""
    return Maker(tmp_path)


# --- as a source ------------------------------------------------------------------------------------------------------
def test_it_gives_manifests_and_bytes(maker: Maker) -> None:
    source = BundleSource(maker.open(maker.write()))
    assert source.name == str(maker.folder / "foo.sdcupgrade")
    assert source.channels() == ()
    assert [image.uuid for image in source.images("imgapi", "any")] == [IMGAPI]
    assert [image.uuid for image in source.images("gzbits", "any")] == [TOOLS]
    assert source.images("vmapi", "any") == ()
    origin = source.image(ORIGIN)
    assert origin is not None and origin.name == "triton-origin"
    assert source.image("00000000-0000-4000-8000-000000000009") is None
    with source.open(IMGAPI, "any", 6) as body:
        assert (body.start, body.total, body.ended) == (6, len(DATA[IMGAPI]), False)
        assert body.stream.read(1 << 20) == DATA[IMGAPI][6:]
        assert body.stream.read(1) == b""
    with source.open(IMGAPI, "any", 1 << 20) as body:
        assert body.ended
    local = source.local(IMGAPI)
    assert isinstance(local, Part) and local.size == len(DATA[IMGAPI])


def test_its_metadata_is_what_lies_in_it(maker: Maker) -> None:
    fetch = BundleSource(maker.open(maker.write())).metadata()
    assert fetch is not None
    assert fetch("timestamp.json", 100) == parts()["trust/timestamp.json"]
    assert fetch("2.root.json", 100) is None
    with pytest.raises(Corrupt, match="longer than the 5 bytes"):
        fetch("timestamp.json", 5)
    without = [(name, data) for name, data in parts().items() if not name.startswith("trust/")]
    assert BundleSource(maker.open(maker.write(members=without))).metadata() is None


def test_damaged_metadata_and_manifests_are_not_used(maker: Maker) -> None:
    place = maker.write()
    data = place.read_bytes()
    for name in ("trust/timestamp.json", f"manifests/{IMGAPI}.json"):
        part = maker.open(place).part(name)
        assert part is not None
        spoilt = maker.folder / "spoilt"
        spoilt.write_bytes(flipped(data, part.offset))
        source = BundleSource(maker.open(spoilt))
        fetch = source.metadata()
        with pytest.raises(Corrupt, match=f"{name} is damaged"):
            assert fetch is not None and fetch("timestamp.json", 100)
            source.image(IMGAPI)


def left_out(maker: Maker, name: str = "foo") -> Bundle:
    """One without the origin's bytes."""
    fewer = [(member, data) for member, data in parts().items() if member != f"images/{ORIGIN}"]
    return maker.open(maker.write(name, fewer))


def test_bytes_that_were_left_out_are_asked_for_in_vain(maker: Maker) -> None:
    bundle = left_out(maker)
    source = BundleSource(bundle)
    assert bundle.index.left_out() == (ORIGIN,)
    assert source.image(ORIGIN) is not None and source.local(ORIGIN) is None
    with pytest.raises(BadInput, match="are not inside"), source.open(ORIGIN, "any"):
        pass


# --- what the site has ------------------------------------------------------------------------------------------------
def test_a_base_is_an_inventory_or_a_bundle(maker: Maker) -> None:
    inventory = maker.folder / "inventory.json"
    inventory.write_text(json.dumps({"datacenter": "coal", "images": [{"uuid": ORIGIN}]}), encoding="utf-8")
    assert read_base(maker.files, str(inventory)) == Base("datacenter coal", frozenset([ORIGIN]))
    found = read_base(maker.files, str(maker.write()))
    assert found.name.startswith("bundle foo of 2026") and found.images == {ORIGIN, IMGAPI}
    assert read_base(maker.files, "") == Base()


@pytest.mark.parametrize(
    "text", ["{}", "[]", "", '{"schema": 2, "images": []}', '{"images": [{"id": 1}]}', '{"images": 3}']
)
def test_a_base_that_is_neither_is_bad_input(maker: Maker, text: str) -> None:
    place = maker.folder / "base"
    place.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=str(place)) as caught:
        read_base(maker.files, str(place))
    assert "inventory -j" in caught.value.hint


# --- what is in it ----------------------------------------------------------------------------------------------------
def test_a_listing_tells_services_and_what_was_left_out(maker: Maker) -> None:
    found = listing(left_out(maker))
    assert found["spec"] == {"imgapi": IMGAPI}
    assert found["trust_until"] == "2026-12-24T00:00:00Z"
    images = found["images"]
    assert isinstance(images, list)
    told = [(one["name"], one["services"], one["inside"]) for one in images if isinstance(one, dict)]
    assert told == [("triton-origin", [], False), ("imgapi", ["imgapi"], True), ("gzbits", [], True)]


def test_a_difference_is_a_row_for_each_thing_that_changed(maker: Maker) -> None:
    old = maker.open(maker.write())
    assert difference(old, old) == []
    newer = dict(parts())
    newer[f"manifests/{IMGAPI}.json"] = manifest(IMGAPI, "imgapi", DATA[IMGAPI]).replace(b"imgapi-1", b"imgapi-2")
    rows = difference(old, maker.open(maker.write("bar", list(newer.items()))))
    assert rows == [{"what": "imgapi", "old": f"imgapi-1 {IMGAPI}", "new": f"imgapi-2 {IMGAPI}"}]
    (row,) = difference(old, left_out(maker, "baz"))
    assert row["what"] == f"image triton-origin {ORIGIN}" and str(row["new"]).endswith("(left out)")


# --- whose it is ------------------------------------------------------------------------------------------------------
@pytest.fixture
def doors(maker: Maker) -> Doors:
    """The real ones."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("no ssh-keygen here")
    log = Log(maker.files, RealClock(), "test", str(maker.folder / "log"))
    http = UrllibHttp(log, maker.files)
    env = {"PATH": "/usr/bin:/bin"}
    return Doors(SubprocessRunner(env, log, maker.files), http, http, maker.files, RealClock())


def key(folder: pathlib.Path, name: str) -> pathlib.Path:
    """An ssh key."""
    place = folder / name
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(place)]
    subprocess.run(argv, check=True, capture_output=True)
    return place


def signers(folder: pathlib.Path, who: str, signing: pathlib.Path) -> str:
    """A list of allowed signers with one in it."""
    place = folder / f"allowed-{who.partition('@')[0]}"
    public = signing.with_suffix(".pub").read_text(encoding="utf-8")
    place.write_text(f"{who} {public}", encoding="utf-8")
    return str(place)


def test_a_signature_counts_when_the_site_says_so(maker: Maker, doors: Doors) -> None:
    mine, other = key(maker.folder, "mine"), key(maker.folder, "other")
    place = maker.write(signature=lambda raw: bundle_sign.sign(doors, str(mine), raw))
    bundle = maker.open(place)
    allowed, strangers = signers(maker.folder, "ops@example.com", mine), signers(maker.folder, "you@example.com", other)
    assert bundle_sign.signer(doors, bundle, allowed, required=True) == "ops@example.com"
    with pytest.raises(Untrusted, match="not signed by one of"):
        bundle_sign.signer(doors, bundle, strangers, required=False)
    changed = Bundle(bundle.files, bundle.path, bundle.size, bundle.index, bundle.raw + b" ", bundle.signature)
    with pytest.raises(Untrusted, match="the signature is wrong"):
        bundle_sign.signer(doors, changed, allowed, required=False)
    spoilt = Bundle(bundle.files, bundle.path, bundle.size, bundle.index, bundle.raw, b"no signature")
    with pytest.raises(Untrusted):
        bundle_sign.signer(doors, spoilt, allowed, required=False)
    with pytest.raises(NoInput, match="no such file of allowed signers"):
        bundle_sign.signer(doors, bundle, str(maker.folder / "nothing"), required=False)


def test_a_signature_made_for_something_else_does_not_count(
    maker: Maker, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = key(maker.folder, "mine")
    with monkeypatch.context() as patched:
        patched.setattr(bundle_sign, "NAMESPACE", "file")
        place = maker.write(signature=lambda raw: bundle_sign.sign(doors, str(mine), raw))
    with pytest.raises(Untrusted):
        bundle_sign.signer(doors, maker.open(place), signers(maker.folder, "ops@example.com", mine), required=False)


def test_unsigned_is_refused_when_a_signature_is_required(
    maker: Maker, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = key(maker.folder, "mine")
    allowed = signers(maker.folder, "ops@example.com", mine)
    unsigned = maker.open(maker.write())
    assert bundle_sign.signer(doors, unsigned, allowed, required=False) == ""
    with pytest.raises(Untrusted, match="it is not signed"):
        bundle_sign.signer(doors, unsigned, allowed, required=True)
    monkeypatch.setattr(bundle_sign, "ALLOWED", str(maker.folder / "nothing"))
    signed = maker.open(maker.write(signature=lambda raw: bundle_sign.sign(doors, str(mine), raw)))
    assert bundle_sign.signer(doors, signed, None, required=False) == ""
    with pytest.raises(Untrusted, match="there is no"):
        bundle_sign.signer(doors, signed, None, required=True)


def test_a_key_that_cannot_sign_is_told(maker: Maker, doors: Doors) -> None:
    with pytest.raises(NoInput, match="no such key"):
        bundle_sign.sign(doors, str(maker.folder / "nothing"), b"x")
    place = maker.folder / "nokey"
    place.write_text("no key", encoding="utf-8")
    with pytest.raises(CommandFailed, match="ssh-keygen -Y sign"):
        bundle_sign.sign(doors, str(place), b"x")
