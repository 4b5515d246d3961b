"""The store: whole transactions or none, fresh copies, and threads that do not get in each other's way."""

from __future__ import annotations

import pathlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from mockdc.core.store import Store


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Store:
    return Store() if request.param == "memory" else Store(str(tmp_path / "state.db"))


def test_a_document_comes_back_as_a_fresh_copy(store: Store) -> None:
    store.put("vm", "u", {"tags": {}})
    (store.get("vm", "u") or {})["tags"]["x"] = 1
    assert store.get("vm", "u") == {"tags": {}}


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.put("vm", "u", {})
        with store.transaction():
            store.put("vm", "v", {})
        raise ZeroDivisionError
    assert store.all("vm") == []


def test_a_replaced_document_keeps_its_place(store: Store) -> None:
    for id in ("b", "a", "b"):
        store.put("vm", id, {"id": id})
    assert [doc["id"] for doc in store.all("vm")] == ["b", "a"]


def test_a_prefix_is_no_pattern(store: Store) -> None:
    for id in ("a_b/1", "axb/2"):
        store.put("image", id, {"id": id})
    assert store.all("image", "a_b/") == [{"id": "a_b/1"}]


def test_threads_count_without_losing_any(store: Store) -> None:
    def add(_: int) -> None:
        with store.transaction():
            store.set_meta("n", store.meta("n", 0) + 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(40)))
    assert store.meta("n") == 40


def test_calls_of_many_threads_keep_their_own_results(store: Store) -> None:
    def call(number: int) -> None:
        store.close_call(store.log_call(0.0, "http", "x", str(number), "..."), str(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(40)))
    assert all(entry["detail"] == entry["result"] for entry in store.calls())


def test_the_earliest_due_event_comes_first(store: Store) -> None:
    for at in (30.0, 7.0, 100.0):
        store.put("event", f"{at:020.6f}/x", {"at": at})
    found = store.due(50.0)
    assert found is not None and found[1] == {"at": 7.0} and store.due(6.0) is None


def test_what_holds_a_value_may_be_narrowed_by_id(store: Store) -> None:
    for id, name in (("a/1", "x"), ("a/2", "y"), ("b/1", "x")):
        store.put("image", id, {"id": id, "name": name})
    assert [doc["id"] for doc in store.holding("image", "name", "x", "a/")] == ["a/1"]
    assert [doc["id"] for doc in store.holding("image", "name", "x")] == ["a/1", "b/1"]
