"""``run``: the whole upgrade by one command, and typed again after every kind of interruption."""

from __future__ import annotations

import json

import pytest
from site_in_a_box import CUSTOMERS, Site

GO = "--yes --pause never"
RUN = f"run foo.json {GO}"


@pytest.fixture
def site(coal: Site) -> Site:
    """With the customer's spec, of which nothing is prepared."""
    coal.spec()
    return coal


def phase(site: Site) -> str:
    """What status calls the upgrade."""
    return str(json.loads(site.run("status foo -j").ok().out)["phase"])


def test_it_does_everything_and_says_what_to_type_at_the_end_only(site: Site) -> None:
    done = site.run(RUN).ok()
    assert phase(site) == "upgraded"
    assert site.vm("imgapi")["image_uuid"] == CUSTOMERS["imgapi"]
    assert "Next:" not in done.out
    assert done.out.endswith("To go back: sdcupgrade rollback foo [service ...]\n")


@pytest.mark.parametrize("before", [["prepare foo.json"], ["prepare foo.json", "download foo"]])
def test_it_goes_on_with_what_was_prepared(site: Site, before: list[str]) -> None:
    for line in before:
        site.run(line).ok()
    created = site.plan()["created_at"]
    site.run(RUN).ok()
    assert (phase(site), site.plan()["created_at"]) == ("upgraded", created)


def test_it_resumes_what_failed(site: Site) -> None:
    site.fault("vmadm reprovision fail=1:boom #2")
    assert site.run(RUN).status == 5
    assert phase(site) == "failed"
    site.run(RUN).ok()
    assert phase(site) == "upgraded"
    assert (site.reprovisions("imgapi"), site.reprovisions("adminui")) == (1, 1)


def test_typed_once_more_it_changes_nothing(site: Site) -> None:
    site.run(RUN).ok()
    assert "upgraded already" in site.run(RUN).ok().err
    assert site.reprovisions("imgapi") == 1


def test_a_rollback_is_not_turned_round(site: Site) -> None:
    site.run(RUN).ok()
    site.run(f"rollback foo adminui {GO}").ok()
    refused = site.run(RUN)
    assert refused.status == 3
    assert "was rolled back" in refused.err
    assert "next: upgrade again what was rolled back: sdcupgrade upgrade foo" in refused.err
    assert site.reprovisions("adminui") == 2


def test_an_unfinished_rollback_is_not_taken_for_an_upgrade(site: Site) -> None:
    site.run(RUN).ok()
    site.fault("vmadm reprovision fail=1:boom")
    assert site.run(f"rollback foo {GO}").status == 5
    refused = site.run(RUN)
    assert (refused.status, "next: finish it: sdcupgrade resume foo" in refused.err) == (3, True)


def test_a_refused_plan_ends_it_before_anything_is_downloaded(site: Site) -> None:
    site.spec(imgapi="latest", moray="latest")
    refused = site.run(RUN)
    assert refused.status == 3
    assert not (site.gz / "var/tmp/upgrade-foo").exists()


def test_a_no_at_the_question_leaves_all_as_it_was(site: Site) -> None:
    declined = site.run("run foo.json --pause never")
    assert declined.status == 6
    assert phase(site) == "downloaded"
    assert site.reprovisions("imgapi") == 0
