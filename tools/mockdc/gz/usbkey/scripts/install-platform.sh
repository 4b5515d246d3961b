#!/usr/bin/bash
# install-platform.sh, version @STAMP@: brings a platform image onto the key. The box carries its name only.
echo "install-platform.sh: not simulated by the datacenter in a box" >&2
exit 1
