"""Print the development packages that ``setup.cfg`` names, for pip; the one list serves ``pip install .[dev]`` too."""

from __future__ import annotations

import configparser
import pathlib


def dev_packages(setup_cfg: pathlib.Path) -> list[str]:
    """The requirements of the ``dev`` extra."""
    parser = configparser.ConfigParser()
    parser.read(setup_cfg)
    return parser["options.extras_require"]["dev"].split()


if __name__ == "__main__":
    print(*dev_packages(pathlib.Path(__file__).parent.parent / "setup.cfg"))
