"""``list`` of the imgadm programs: filters, columns, order, tree, the newest of each name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mockdc.commands import table
from mockdc.commands.imgapi_client import Client, CliError
from mockdc.commands.options import Options

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

COLUMNS = "uuid,name,version,flags,os,published"
COLUMNS_ALL = "uuid,name,version,flags,os,state,published"
PAGE = 1000


def list_images(call: Call, client: Client, given: Options) -> None:
    """Print the list. Raises CliError."""
    images = fetched(client, given)
    if "latest" in given:
        images = newest(images)
    if "j" in given:
        call.out(json.dumps(images, indent=2, ensure_ascii=False))
        return
    columns = given.columns("o", COLUMNS_ALL if "a" in given else COLUMNS)
    rows = [{**image, **worked_out(image)} for image in images]
    rows = as_tree(rows) if "tree" in given else in_order(rows, given.columns("s", "published_at"))
    cells = [[cell(row, column) for column in columns] for row in rows]
    lines = table.lines([column.upper() for column in columns], cells)
    for line in lines[1:] if "H" in given else lines:  # unseen headings still widen their columns (cli-019)
        call.out(line)


def fetched(client: Client, given: Options) -> list[Doc]:
    """The images, page after page."""
    query: dict[str, Any] = {}
    for word in given.words:
        name, equals, value = word.partition("=")
        if not equals:
            raise CliError("Usage", f'invalid filter: "{word}" (must be of the form "field=value")')
        query[name] = value
    if "a" in given:
        query["state"] = "all"
    if "A" in given:
        query["inclAdminFields"] = "true"
    if "m" in given:
        query["marker"] = given.last("m")
    if "l" in given:
        found: list[Doc] = client.get("/images", limit=given.last("l"), **query)
        return found
    return paged(client, query)


def paged(client: Client, query: dict[str, Any]) -> list[Doc]:
    """All of them: a marker is inclusive, so what was seen at the end of a page comes again."""
    found: dict[str, Doc] = {}
    while True:
        page: list[Doc] = client.get("/images", limit=str(PAGE), **query)
        fresh = [image for image in page if image["uuid"] not in found]
        found.update({image["uuid"]: image for image in fresh})
        if len(page) < PAGE or not fresh:
            return list(found.values())
        query = {**query, "marker": page[-1]["uuid"]}


def newest(images: list[Doc]) -> list[Doc]:
    """The last published of each owner and name, in the order of their dates."""
    found: dict[tuple[str, str], Doc] = {}
    for image in sorted(images, key=lambda each: str(each.get("published_at", ""))):
        found[image["owner"], image["name"]] = image
    return sorted(found.values(), key=lambda each: str(each.get("published_at", "")))


def worked_out(image: Doc) -> Doc:
    """The columns that no manifest has."""
    files = image.get("files") or [{}]
    published = image.get("published_at")
    flags = ("I" if image.get("origin") else "") + ("P" if image.get("public") else "")
    return {
        "flags": flags + ("X" if image.get("state") != "active" else ""),
        "published": published[:19] + "Z" if published else None,
        "published_date": published[:10] if published else None,
        "size": files[0].get("size"),
        "stor": files[0].get("stor"),
        "channels": ",".join(image.get("channels", [])),
    }


def cell(row: Doc, column: str) -> str:
    """One cell."""
    value = row.get(column)
    return "-" if value in (None, "") else table.shown(value)


def in_order(rows: list[Doc], fields: list[str]) -> list[Doc]:
    """Sorted by the fields, a ``-`` before one turning its order; what is the same by uuid."""
    rows = sorted(rows, key=lambda row: str(row["uuid"]))
    for field in reversed(fields):
        name = field.lstrip("-")
        rows = sorted(rows, key=lambda row: str(row.get(name) or ""), reverse=field.startswith("-"))
    return rows


def as_tree(rows: list[Doc]) -> list[Doc]:
    """Children under their origins, by uuid; the first column shows the branches."""
    here = {row["uuid"] for row in rows}
    found: list[Doc] = []

    def grow(parent: str, indent: str) -> None:
        children = sorted((row for row in rows if row.get("origin") == parent), key=lambda row: str(row["uuid"]))
        for place, row in enumerate(children, 1):
            last = place == len(children)
            found.append({**row, "uuid": f"{indent} {'`-' if last else '|-'} {row['uuid']}"})
            grow(row["uuid"], indent + ("    " if last else " |  "))

    for root in sorted((row for row in rows if row.get("origin") not in here), key=lambda row: str(row["uuid"])):
        found.append(root)
        grow(root["uuid"], "")
    return found
