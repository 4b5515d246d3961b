#!/usr/bin/bash
# switch-platform.sh, version @STAMP@: chooses the platform to boot. The box carries its name only.
echo "switch-platform.sh: not simulated by the datacenter in a box" >&2
exit 1
