#!/usr/bin/bash
# agentsetup.sh, version @STAMP@: installs the agents on a server. The box carries its name only.
echo "agentsetup.sh: not simulated by the datacenter in a box" >&2
exit 1
