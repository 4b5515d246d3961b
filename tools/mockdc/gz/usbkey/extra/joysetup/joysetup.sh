#!/usr/bin/bash
# joysetup.sh, version @STAMP@: prepares the pool of a new server. The box carries its name only.
echo "joysetup.sh: not simulated by the datacenter in a box" >&2
exit 1
