#!/bin/sh
# sdcupgrade: these lines find a Python for the program, which is in the zip archive that follows them.
# Versioned names tell the version without a trial start; the newest wins, and among equals pkgsrc's tools set.
# -I -S: PYTHONPATH and .pth files have no say. -c: `python FILE` would import runpy, a third of a bare start.
# check: nothing here; in a bundle, what proves the program in it before anything of it is imported.
check=
boot='"sdcupgrade"; import os, sys; sys.argv.pop(0); file = os.path.realpath(sys.argv[0])
'"$check"'sys.path[:0] = [file + "/" + str(sys.implementation.cache_tag), file + "/site-packages"]
try: import sdcupgrade_boot as boot
except Exception as why:
    sys.stderr.write("sdcupgrade: %s: damaged or cut off: copy it again (%s)\n" % (file, str(why).replace("\n", " ")))
    sys.exit(79)
boot.start(file, True)'
if [ -n "${SDCUPGRADE_PYTHON:-}" ]; then
    [ -x "$SDCUPGRADE_PYTHON" ] && exec "$SDCUPGRADE_PYTHON" -I -S -c "$boot" "$0" "$@"
    echo "sdcupgrade: SDCUPGRADE_PYTHON=$SDCUPGRADE_PYTHON is not a program; name a Python 3.9 or newer, or unset it" >&2
    exit 69
fi
for minor in 20 19 18 17 16 15 14 13 12 11 10 9; do
    for bin in /opt/tools/bin /opt/local/bin /usr/local/bin /usr/bin; do
        [ -x "$bin/python3.$minor" ] && exec "$bin/python3.$minor" -I -S -c "$boot" "$0" "$@"
    done
done
command -v python3 >/dev/null 2>&1 && exec python3 -I -S -c "$boot" "$0" "$@"
echo "sdcupgrade: no Python 3.9 or newer here; install one (pkgin -y install python312), or name one in SDCUPGRADE_PYTHON" >&2
exit 69
