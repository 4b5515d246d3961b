"""ListImages: which images a list shows, in which order, and where it begins and ends.

The quirks are the real server's: unknown filters are ignored, a bad limit blames ``state``, 0 is no limit, a marker is
inclusive, and a descending list is cut before it is turned (recording updates-144).
"""

from __future__ import annotations

import re
from typing import Any, Optional

from mockdc.apis.imgapi.asking import Asking, invalid, open_to
from mockdc.apis.routes import is_uuid, refuse
from mockdc.core.store import Doc

LIMIT = 1000
STATES = ("active", "unactivated", "disabled", "all", "creating", "failed")
DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z?)?")


def chosen(asking: Asking) -> list[Doc]:
    """The images a list shows. Raises Refusal."""
    query = asking.request.query
    account, channel = asking.account(), asking.channel()
    state, limit, downwards = _state(query), _limit(query), _downwards(query)
    start = _start(asking, query.get("marker"))
    found = [
        each
        for each in _candidates(asking, query.get("name", ""))
        if (channel is None or channel in each.get("channels", []))
        and _visible(asking, each, account, state)
        and _matches(each, query)
        and (start is None or moment(each) >= start)
    ]
    found.sort(key=moment)
    found = found[:limit] if limit else found
    return found[::-1] if downwards else found


def _candidates(asking: Asking, name: str) -> list[Doc]:
    """Every image, or only those of a name that is given whole: they are far fewer."""
    return asking.all() if not name or name.startswith("~") else asking.named(name)


def moment(image: Doc) -> str:
    """When it was published, in a form that sorts; never is before everything."""
    return sortable(image.get("published_at", ""))


def sortable(date: str) -> str:
    """A date with all its digits."""
    digits = re.sub(r"\D", "", date)
    return digits.ljust(17, "0") if digits else ""


def _visible(asking: Asking, image: Doc, account: Optional[str], state: str) -> bool:
    if account and not (open_to(image, account) and (image["state"] == "active" or image["owner"] == account)):
        return False
    if not asking.trusted and image["state"] != "active":
        return False
    return state in ("all", image["state"])


def _matches(image: Doc, query: dict[str, str]) -> bool:
    if any(name in query and image.get(name) != query[name] for name in ("os", "owner")):
        return False
    if any(name in query and not _word(str(image.get(name, "")), query[name]) for name in ("name", "version")):
        return False
    if "type" in query and (image["type"] == query["type"].lstrip("!")) == query["type"].startswith("!"):
        return False
    if "public" in query and bool(image.get("public")) != _boolean(query["public"]):
        return False
    if "billing_tag" in query and query["billing_tag"] not in image.get("billing_tags", []):
        return False
    wanted = {name[4:]: value for name, value in query.items() if name.startswith("tag.")}
    return all(_text(image.get("tags", {}).get(name)) == value for name, value in wanted.items())


def _word(value: str, wanted: str) -> bool:
    return wanted[1:] in value if wanted.startswith("~") else value == wanted


def _text(value: Any) -> Optional[str]:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _boolean(value: str) -> bool:
    if value not in ("true", "false"):
        invalid("public", f'invalid value for "public" param: "{value}" is not a boolean')
    return value == "true"


def _state(query: dict[str, str]) -> str:
    state = query.get("state", "active")
    if state not in STATES:
        invalid("state", f'invalid state: "{state}"')
    return state


def _limit(query: dict[str, str]) -> int:
    limit = query.get("limit", str(LIMIT))
    if not limit.isdigit():
        invalid("state", f'invalid limit: "{limit}"')
    return int(limit)


def _downwards(query: dict[str, str]) -> bool:
    attribute, _, way = query.get("sort", "published_at").partition(".")
    if attribute != "published_at":
        invalid("sort", f"invalid 'sort': not a valid sorting attribute: '{attribute}'")
    return way == "desc"


def _start(asking: Asking, marker: Optional[str]) -> Optional[str]:
    if not marker:
        return None
    if is_uuid(marker):
        image = asking.load(marker)
        if image is None:
            refuse(404, "ResourceNotFound", f"image {marker} not found")
        return moment(image)
    if not DATE.fullmatch(marker):
        invalid("marker", f'invalid value for "marker" param: "{marker}" is not a UUID or date string')
    return sortable(marker)
