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

# A new version is on trial until its first command has come through; `trial` names it, and the old one (docs/build.md).
self=$0
custom=${SDCUPGRADE_ROOT:-}/opt/custom
trial=$custom/sdcupgrade/trial
on_trial() {
    [ -w "$trial" ] && { read -r new && read -r old; } <"$trial" && [ "$self" -ef "${SDCUPGRADE_ROOT:-}$new" ]
}
cut_off() { # whether a command began the trial, and is no more
    [ -e "$trial.begun" ] || return 1
    while read -r pid whose; do
        [ "$whose" = "$new" ] && ! kill -0 "$pid" 2>/dev/null && return
    done <"$trial.begun"
    return 1
}
go_back() {
    link=$custom/bin/.sdcupgrade.$$
    rm -f "$link" && ln -s "..${old#/opt/custom}" "$link" && mv -f "$link" "$custom/bin/sdcupgrade" &&
        mv -f "$trial" "$custom/sdcupgrade/rejected" && rm -f "$trial.begun" && return
    rm -f "$link"
    echo "sdcupgrade: $new $1, and there is no way back to $old: see who may write to $custom" >&2
    exit 73
}
tell() {
    if [ -n "$child" ]; then kill -"$1" "$child" 2>/dev/null; else early=$1; fi
}
first_command() {
    if cut_off; then
        go_back "was cut off in its first command"
        echo "sdcupgrade: $new was cut off in its first command: went back to $old, which does this one" >&2
        exec /bin/sh "${SDCUPGRADE_ROOT:-}$old" "$@"
    fi
    echo "$$ $new" >>"$trial.begun"
    if (exec 3<&0) 2>/dev/null; then exec 3<&0; else exec 3</dev/null; fi # what runs beside a shell has no input
    child='' told='' ended='' early=''
    trap 'told=1 caught=1; tell TERM' TERM
    trap 'told=1 caught=1; tell HUP' HUP
    # a terminal tells the child by itself; told twice it would leave behind the program that it waits for
    if [ -t 0 ] || [ -t 1 ] || [ -t 2 ]; then trap '' INT; else trap 'caught=1; tell INT' INT; fi
    SDCUPGRADE_TRIAL=$trial "$python" -I -S -c "$boot" "$self" "$@" <&3 3<&- &
    child=$!
    [ -z "$early" ] || tell "$early"
    caught=1
    while [ -n "$caught" ]; do
        caught=''
        wait "$child"
        last=$?
        case $last in
        127 | -1) : "${ended:=$last}" ;; # ended while it was being told; bash says -1
        *) ended=$last ;;
        esac
    done
    on_trial || exit "$ended"
    if [ -n "$told" ]; then
        rm -f "$trial.begun" # it did not fail, it was stopped: the next command is the first
        exit "$ended"
    fi
    go_back "failed in its first command (exit status $ended)"
    echo "sdcupgrade: $new failed in its first command (exit status $ended): went back to $old; type it again" >&2
    exit "$ended"
}
start() {
    [ -e "$trial" ] && on_trial && first_command "$@"
    exec "$python" -I -S -c "$boot" "$self" "$@"
}

python=${SDCUPGRADE_PYTHON:-}
if [ -n "$python" ]; then
    [ -x "$python" ] && start "$@"
    echo "sdcupgrade: SDCUPGRADE_PYTHON=$SDCUPGRADE_PYTHON is not a program; name a Python 3.9 or newer, or unset it" >&2
    exit 69
fi
for minor in 20 19 18 17 16 15 14 13 12 11 10 9; do
    for bin in /opt/tools/bin /opt/local/bin /usr/local/bin /usr/bin; do
        python=$bin/python3.$minor
        [ -x "$python" ] && start "$@"
    done
done
python=python3
command -v python3 >/dev/null 2>&1 && start "$@"
echo "sdcupgrade: no Python 3.9 or newer here; install one (pkgin -y install python312), or name one in SDCUPGRADE_PYTHON" >&2
exit 69
