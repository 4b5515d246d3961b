"""``python3 tools/mockdc`` and ``python3 -m mockdc``: the box's own command, wherever it is started from."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mockdc.cli import main

if __name__ == "__main__":
    sys.exit(main())
