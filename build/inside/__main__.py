"""What runs when Python is given the one file by hand, as ``python3 FILE``; the header goes the same way."""

import os
import sys

archive = os.path.realpath(sys.path[0])
tag = getattr(getattr(sys, "implementation", None), "cache_tag", None)  # Python 2 has none
sys.path[:1] = [archive + "/" + str(tag), archive + "/site-packages"]
__import__("sdcupgrade_boot").start(archive)
