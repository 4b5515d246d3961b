"""JSON as signatures need it: read strictly, and written in the one canonical form (specification, 4.2.1).

Canonical JSON (OLPC's) has sorted keys, no space, whole numbers only, and escapes nothing but the quote and the
backslash; every other character is itself.
"""

from __future__ import annotations

import json
import re

from sdcupgrade import jsonvalue
from sdcupgrade.errors import Untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.jsonvalue import Json

_ESCAPE = re.compile(r'\\(?:["\\]|u[0-9a-f]{4}|.)')


def parse(data: bytes, where: str) -> Json:
    """What *data* holds; *where* names it. Raises Untrusted for all that readers of JSON do not agree about: another
    encoding than UTF-8, a key that is there twice, fractions, numbers of more than 18 digits, NaN."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as why:
        raise Untrusted(f"{where}: not UTF-8: {why.reason} at byte {why.start}") from why
    return jsonvalue.loads(text, where, Untrusted, whole=True)


def encode(value: Json, where: str) -> bytes:
    """The octets that are signed, of a value from :func:`parse`. Raises Untrusted when there are none: half a surrogate
    pair has no UTF-8."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return (_ESCAPE.sub(_plain, text) if "\\" in text else text).encode("utf-8")
    except (UnicodeEncodeError, RecursionError) as why:
        raise Untrusted(f"{where}: it has no canonical form: {why}") from why


def _plain(escape: re.Match[str]) -> str:
    """What json escapes and canonical JSON does not: the control characters."""
    text = escape.group()
    return text if text[1] in '"\\' else str(json.loads(f'"{text}"'))
