"""The whole pipeline on the datacenter in a box: what an upgrade does, and that a rollback undoes exactly that."""

from __future__ import annotations

import json

from site_in_a_box import CUSTOMERS, Site


def test_the_customers_spec_runs_as_written(coal: Site) -> None:
    coal.spec()
    coal.ready()
    coal.upgrade().ok()
    assert coal.vm("imgapi")["image_uuid"] == CUSTOMERS["imgapi"]
    assert coal.reprovisions("imgapi") == coal.reprovisions("adminui") == 1


def test_prepare_writes_the_three_documents_and_says_so(coal: Site) -> None:
    coal.spec()
    before = coal.vm("imgapi")["image_uuid"]
    out = coal.run("prepare foo.json").ok().out
    work = coal.gz / "var/tmp/upgrade-foo"
    assert json.loads((work / "rollback.json").read_text())["imgapi"] == before
    assert list(json.loads((work / "spec.json").read_text())) == ["imgapi", "adminui"]
    assert "Wrote '/var/tmp/upgrade-foo/rollback.json'" in out


def test_every_ordinary_service_of_a_datacenter_in_one_go(coal: Site) -> None:
    spec = coal.ordinary()
    assert len(spec) > 12
    coal.spec(**spec)
    coal.ready()
    coal.upgrade().ok()
    plan = coal.plan()
    for service in plan["services"]:
        assert coal.vm(service["service"])["image_uuid"] == service["target"]["uuid"]
        assert coal.reprovisions(service["service"]) == 1


def test_rollback_restores_image_user_script_and_sapi_byte_for_byte(coal: Site) -> None:
    coal.spec()
    before = {name: (coal.vm(name), coal.sapi(name)) for name in CUSTOMERS}
    coal.ready()
    coal.upgrade().ok()
    assert coal.sapi("imgapi") != before["imgapi"][1]
    coal.run("rollback foo --yes --pause never").ok()
    for name, (vm, service) in before.items():
        assert coal.vm(name)["image_uuid"] == vm["image_uuid"]
        assert coal.vm(name)["customer_metadata"] == vm["customer_metadata"]
        assert coal.sapi(name) == service


def test_a_partial_rollback_leaves_the_rest(coal: Site) -> None:
    coal.spec()
    old = coal.vm("adminui")["image_uuid"]
    coal.ready()
    coal.upgrade().ok()
    coal.run("rollback foo adminui --yes --pause never").ok()
    assert coal.vm("adminui")["image_uuid"] == old
    assert coal.vm("imgapi")["image_uuid"] == CUSTOMERS["imgapi"]
    assert coal.reprovisions("imgapi") == 1


def test_a_second_upgrade_finds_nothing_to_do(coal: Site) -> None:
    coal.spec()
    coal.ready()
    coal.upgrade().ok()
    again = coal.upgrade().ok()
    assert "upgraded already" in again.err
    assert coal.reprovisions("imgapi") == 1


def test_upgrade_rollback_upgrade_again(coal: Site) -> None:
    coal.spec()
    coal.ready()
    coal.upgrade().ok()
    coal.run("rollback foo --yes --pause never").ok()
    coal.upgrade().ok()
    assert coal.vm("imgapi")["image_uuid"] == CUSTOMERS["imgapi"]
    assert coal.reprovisions("imgapi") == 3


def test_logs_of_the_old_zone_are_kept(coal: Site) -> None:
    coal.spec()
    coal.ready()
    coal.upgrade().ok()
    kept = list((coal.gz / "var/sdcupgrade/logs").rglob("imgapi0*.tar.gz"))
    assert len(kept) == 1 and kept[0].stat().st_size > 0


def test_nothing_is_upgraded_before_the_images_are_there(coal: Site) -> None:
    coal.spec()
    coal.run("prepare foo.json").ok()
    refused = coal.upgrade()
    assert refused.status == 4
    assert "images-present" in refused.err and "download" in refused.err
    assert coal.reprovisions("imgapi") == 0
