"""user-scripts of core zones: today's common one, an earlier edition of it, and the kind from before HEAD-1804."""

from __future__ import annotations

COMMON_YESTERDAY = """\
#!/usr/bin/bash
# Common user-script of core zones.
export PATH=/usr/sbin:/usr/bin:/opt/smartdc/bin
if [[ ! -f /var/svc/.ran-user-script ]]; then
    /opt/smartdc/boot/setup.sh >/var/svc/setup.log 2>&1 || exit 1
    touch /var/svc/.ran-user-script
fi
exec /opt/smartdc/boot/configure.sh
"""

COMMON_TODAY = """\
#!/usr/bin/bash
#
# Common user-script of core zones: set the zone up at its first boot, configure it at every boot.
#
export PATH=/usr/sbin:/usr/bin:/opt/smartdc/bin
set -o pipefail
sentinel=/var/svc/.ran-user-script
if [[ ! -f ${sentinel} ]]; then
    if ! /opt/smartdc/boot/setup.sh >/var/svc/setup.log 2>&1; then
        echo "setup.sh failed, see /var/svc/setup.log" >&2
        exit 1
    fi
    touch ${sentinel}
fi
exec /opt/smartdc/boot/configure.sh
"""

PRE_HEAD_1804 = """\
#!/usr/bin/bash
# Fetches what to do from assets.
assets=$(mdata-get assets-ip)
curl -s -o /root/setup.common http://${assets}/extra/common/setup.common
exec bash /root/setup.common
"""
