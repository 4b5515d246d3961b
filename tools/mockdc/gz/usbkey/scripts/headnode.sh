#!/usr/bin/bash
# headnode.sh, version @STAMP@: sets up a headnode at its first boots. The box carries its name only.
echo "headnode.sh: not simulated by the datacenter in a box" >&2
exit 1
