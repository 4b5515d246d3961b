"""``bash /lib/sdc/config.sh -json`` for the face without processes; a real bash runs the script (reference 1.5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockdc.commands.call import Call


def config_sh(call: Call) -> int:
    """Print the configuration: one flat object, every value a string. Without ``-json`` it only defines functions."""
    if "-json" in call.argv:
        call.out(json.dumps({key: str(value) for key, value in call.dc.config.items()}, indent=2))
    return 0
