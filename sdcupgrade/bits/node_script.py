"""The script that a compute node runs: gzbits put in place there, verified, and taken back.

bash and what a SmartOS platform has (reference 1.7): digest or openssl, stat, readlink, tar, curl, perl or node. It
needs nothing on the node beforehand and says one line of JSON, whatever happens.

A list names a set of things, one a line: kind, mode, sha256, path, link target, tabs between, ``-`` for what does not
apply; kind ``none`` is a path where nothing is to be. ``actual`` writes the same lines of what is there, so that two
lists compare as text: the digest of a list is the name of the set, and a node proves what it has by writing it anew.

What is on a node, below /opt/custom/gzbits:

    installed              the list that was put in place last; written last
    saved/                 how things were before that: undo (a list), files by their sha256, installed, manifest, for
    saved/rolling          the rollback has begun
    saved.new/             the same while something is being put in place; ready: complete, so places may be changed
    stage/                 what was fetched

The manifest of what is installed lies where sdc-gz-verify looks for it. Each path is the old or the new one at every
instant: everything is written beside its place and renamed. Whatever was cut off is taken up or back by the next run,
whichever it is.
"""

from __future__ import annotations

HOME = "/opt/custom/gzbits"
"""Where a node keeps what it needs: persistent, and the site's own (reference 1.1)."""

SCRIPT = r"""
set -u
umask 022
LC_ALL=C
export LC_ALL
R=${SDCUPGRADE_ROOT:-}
H=$R/opt/custom/gzbits
V=$R/var/sdcupgrade/gzbits
W=$H/tmp.$$
LOCK=$R/var/run/sdcupgrade-gzbits.lock
TAB=$(printf '\t')
PATH=$PATH:$R/opt/smartdc/bin
changed=0 kept=0 mine= wrong=

say() { # DID WHY: the one line, and the end
    local installed= state=
    [ -f "$H/installed" ] && installed=$(sum1 "$H/installed") && state=$(proof)
    why=$(printf '%s' "${2:-}" | tr '\n\t\\"' "  /'" | tr -cd ' -~' | cut -c1-400)
    printf '{"did":"%s","installed":"%s","state":"%s","changed":%d,"kept":%d,"why":"%s"}\n' \
        "$1" "$installed" "$state" "$changed" "$kept" "$why"
    rm -f "$W".*
    if [ -n "$mine" ]; then rm -rf "$H/stage" "$LOCK"; fi
    exit 0
}

fail() { say failed "$*"; }

sums() { # FILE...: the sha256 of each, a line each
    if command -v digest >/dev/null 2>&1; then
        digest -v -a sha256 "$@" | sed 's/.* = //'
    else
        openssl dgst -r -sha256 "$@" | sed -e 's/^\\//' -e 's/ .*//'
    fi
}

sum1() { sums "$1" 2>/dev/null; }

swap() { # FROM TO: rename, also where TO is a link to a folder, into which mv would move
    if command -v perl >/dev/null 2>&1; then
        perl -e 'rename($ARGV[0], $ARGV[1]) or die "$!\n"' "$1" "$2"
    else
        "$R/usr/node/bin/node" -e 'require("fs").renameSync(process.argv[1], process.argv[2])' "$1" "$2"
    fi
}

actual() { # LIST: its paths as they are now
    local line kind mode sum path target name raw i n hex
    local -a paths files batch
    local -A raws hexes
    paths=() files=() raws=() hexes=()
    while IFS=$TAB read -r kind mode sum path target; do
        paths+=("$R$path")
    done <"$1"
    for ((i = 0; i < ${#paths[@]}; i += 200)); do
        while IFS= read -r line; do
            name=${line#* }
            raws[$name]=${line%% *}
            case $line in 8*) files+=("$name") ;; esac
        done < <(stat -c '%f %n' "${paths[@]:i:200}" 2>/dev/null)
    done
    for ((i = 0; i < ${#files[@]}; i += 200)); do
        batch=("${files[@]:i:200}")
        n=0
        while IFS= read -r hex; do
            hexes[${batch[n]}]=$hex
            n=$((n + 1))
        done < <(sums "${batch[@]}" 2>/dev/null)
        [ "$n" = "${#batch[@]}" ] || return 1
    done
    for name in ${paths[@]+"${paths[@]}"}; do
        raw=${raws[$name]-}
        path=${name#"$R"}
        if [ -z "$raw" ]; then
            printf 'none\t-\t-\t%s\t-\n' "$path"
            continue
        fi
        mode=$((16#$raw))
        case $((mode >> 12)) in
        8) printf 'file\t%04o\t%s\t%s\t-\n' $((mode & 4095)) "${hexes[$name]-}" "$path" ;;
        4) printf 'dir\t%04o\t-\t%s\t-\n' $((mode & 4095)) "$path" ;;
        10) printf 'link\t-\t-\t%s\t%s\n' "$path" "$(readlink "$name")" ;;
        *) printf 'other\t-\t-\t%s\t-\n' "$path" ;;
        esac
    done
}

proof() { # the digest of what is installed, written anew from what is there
    actual "$H/installed" >"$W.proof" && sum1 "$W.proof"
}

off() { # LIST: the first path that is not as the list has it; a folder that others use may stay
    local kind rest now path
    actual "$1" >"$W.now" || { printf 'what is there cannot be read\n'; return; }
    while IFS= read -r rest && IFS= read -r now <&3; do
        [ "$rest" = "$now" ] && continue
        case $rest$TAB$now in none*"$TAB"dir"$TAB"*) continue ;; esac
        path=${now#*"$TAB"*"$TAB"*"$TAB"}
        printf '%s\n' "${path%%"$TAB"*}"
        return
    done <"$1" 3<"$W.now"
}

gone() { # PATH: remove what is there; a folder only when it is empty
    if [ -d "$R$1" ] && [ ! -L "$R$1" ]; then
        rmdir "$R$1" 2>/dev/null || kept=$((kept + 1))
    else
        rm -f "$R$1" && changed=$((changed + 1))
    fi
}

put() { # FILES KIND MODE SUM PATH TARGET: one thing, whole or not at all
    local d=$R$5 new=$R$5.gzbits-new
    case $2 in
    dir)
        if [ -L "$d" ] || { [ -e "$d" ] && [ ! -d "$d" ]; }; then rm -f "$d" || return; fi
        [ -d "$d" ] || mkdir "$d" || return
        chmod "$3" "$d"
        ;;
    file)
        rm -f "$new" && cp -p "$1/$4" "$new" && chmod "$3" "$new" && swap "$new" "$d"
        ;;
    link)
        rm -f "$new" && ln -s "$6" "$new" && swap "$new" "$d"
        ;;
    esac
}

place() { # LIST FILES: make things as the list says
    local kind mode sum path target k m s p t i way=
    local -a removals
    removals=()
    actual "$1" >"$W.before" || return
    while IFS=$TAB read -r kind mode sum path target && IFS=$TAB read -r k m s p t <&3; do
        if [ -e "$R$path.gzbits-new" ] || [ -L "$R$path.gzbits-new" ]; then rm -f "$R$path.gzbits-new"; fi
        case $kind in none) [ "$k" = none ] || removals+=("$path") ;; esac
    done <"$1" 3<"$W.before"
    # a folder that becomes something else has to be emptied first
    while IFS=$TAB read -r kind mode sum path target && IFS=$TAB read -r k m s p t <&3; do
        case $kind.$k in
        file.dir | link.dir)
            for ((i = ${#removals[@]} - 1; i >= 0; i--)); do
                case ${removals[i]} in "$path"/*) gone "${removals[i]}" || return ;; esac
            done
            rmdir "$R$path" || return
            ;;
        esac
    done <"$1" 3<"$W.before"
    while IFS=$TAB read -r kind mode sum path target && IFS=$TAB read -r k m s p t <&3; do
        [ "$kind" = none ] && continue
        [ "$kind.$mode.$sum.$target" = "$k.$m.$s.$t" ] && continue
        put "$2" "$kind" "$mode" "$sum" "$path" "$target" || return
        changed=$((changed + 1))
    done <"$1" 3<"$W.before"
    for ((i = ${#removals[@]} - 1; i >= 0; i--)); do
        if [ -e "$R${removals[i]}" ] || [ -L "$R${removals[i]}" ]; then gone "${removals[i]}" || return; fi
    done
}

back() { # FOLDER: make things as they were saved there
    place "$1/undo" "$1/files" && [ -z "$(off "$1/undo")" ]
}

kept_file() { # FROM TO: TO is whole what FROM is, and not there when there is no FROM
    if [ -f "$1" ]; then
        mkdir -p "${2%/*}" && cp "$1" "$2.new" && sync && swap "$2.new" "$2"
    else
        rm -f "$2"
    fi
}

recorded() { # LIST MANIFEST: they tell what is installed from now on
    kept_file "$2" "$V/installed.json" && kept_file "$1" "$H/installed"
}

settle() { # DIGEST: end what an earlier run began; of an apply of this very set nothing is taken back
    rm -rf "$H/saved.gone"
    if [ -f "$H/saved.new/ready" ]; then
        if [ -f "$H/installed" ] && [ "$(sum1 "$H/installed")" = "$(cat "$H/saved.new/for")" ]; then
            kept_as_saved || return
        elif [ "$(cat "$H/saved.new/for")" != "$1" ]; then
            back "$H/saved.new" && recorded "$H/saved.new/installed" "$H/saved.new/manifest" &&
                rm -f "$H/saved.new/ready" && rm -rf "$H/saved.new" || return
        fi
    else
        rm -rf "$H/saved.new"
    fi
    if [ -f "$H/saved/rolling" ]; then rolled || return; fi
}

kept_as_saved() {
    if [ -d "$H/saved" ]; then mv "$H/saved" "$H/saved.gone" || return; fi
    mv "$H/saved.new" "$H/saved" && rm -f "$H/saved/ready" && rm -rf "$H/saved.gone"
}

rolled() {
    back "$H/saved" && recorded "$H/saved/installed" "$H/saved/manifest" &&
        mv "$H/saved" "$H/saved.gone" && rm -rf "$H/saved.gone"
}

begin() {
    local pid
    case $(uname -s) in SunOS) ;; *) say skipped "it runs $(uname -s), and gzbits are for SmartOS" ;; esac
    mkdir -p "$H" "$R/var/run" && chmod 0700 "$H" || fail "$H cannot be made"
    if ! ln -s "$$" "$LOCK" 2>/dev/null; then
        pid=$(readlink "$LOCK")
        kill -0 "$pid" 2>/dev/null && fail "an earlier run (process $pid) is still at work there"
        rm -f "$LOCK"
        ln -s "$$" "$LOCK" 2>/dev/null || fail "another run has begun there"
    fi
    mine=1
    rm -f "$H"/tmp.*
}

key() { # what boots this node comes from its own key, where it has one
    local said
    said=$(sdc-usbkey update --ignore-missing 2>&1) || fail "its boot key was not updated: $said"
}

fetched() { # URL SHA256 KIB: into stage/
    local free said
    free=$(df -k "$H" | tail -1 | awk '{print $4}')
    case $free in
    '' | *[!0-9]*) ;;
    *) [ "$free" -gt "$3" ] || fail "no room: $free KiB are free below $H, and $3 are needed; nothing was changed" ;;
    esac
    rm -rf "$H/stage" && mkdir "$H/stage" && chmod 0700 "$H/stage" || fail "$H/stage cannot be made"
    said=$(curl -4 -sS -f -o "$H/stage/package" "$1" 2>&1) || fail "the bits did not arrive: $said; nothing was changed"
    [ "$(sum1 "$H/stage/package")" = "$2" ] || fail "what arrived is not what was sent; nothing was changed"
    said=$( (cd "$H/stage" && gzip -dc package | tar xof -) 2>&1) || fail "unpacking failed: $said; nothing was changed"
    rm -f "$H/stage/package"
}

saved() { # DIGEST: how things are, complete before anything is changed
    local -A named
    local kind mode sum path target k m s p t old=$H/saved.new
    named=()
    rm -rf "$old" && mkdir "$old" "$old/files" || return
    while IFS=$TAB read -r kind mode sum path target; do named[$path]=1; done <"$H/stage/list"
    { cat "$H/stage/list"
      if [ -f "$H/installed" ]; then
          while IFS=$TAB read -r kind mode sum path target; do
              [ -n "${named[$path]-}" ] || printf 'none\t-\t-\t%s\t-\n' "$path"
          done <"$H/installed"
      fi
    } | sort -t "$TAB" -k 4,4 >"$old/todo" || return
    actual "$old/todo" >"$old/undo" || return
    named=()
    if [ -f "$H/installed" ]; then
        while IFS=$TAB read -r kind mode sum path target; do named[$path]=$kind; done <"$H/installed"
        cp "$H/installed" "$old/installed" || return
        if [ -f "$V/installed.json" ]; then cp "$V/installed.json" "$old/manifest" || return; fi
    fi
    while IFS=$TAB read -r kind mode sum path target && IFS=$TAB read -r k m s p t <&3; do
        [ "$kind.$mode.$sum.$target" = "$k.$m.$s.$t" ] && continue
        case $kind.$k in
        *.other) fail "$path is no file, folder or link there; nothing was changed" ;;
        none.* | *.none | dir.dir | file.file | file.link | link.file | link.link) ;;
        *) [ "${named[$path]-}" = "$k" ] || fail "$path is a $k there, and not of gzbits; nothing was changed" ;;
        esac
        if [ "$k" = file ] && [ ! -f "$old/files/$s" ]; then cp -p "$R$path" "$old/files/$s" || return; fi
    done <"$old/todo" 3<"$old/undo"
    printf '%s\n' "$1" >"$old/for" && sync && : >"$old/ready" && sync
}

made() { # LIST: make it so from stage/; *wrong* tells what is not, empty when all is
    wrong=
    place "$1" "$H/stage/files" 2>"$W.said" || { wrong=$(cat "$W.said"); wrong=${wrong:-it failed}; return 1; }
    wrong=$(off "$1")
    [ -z "$wrong" ]
}

apply() { # DIGEST URL SHA256 ROOM
    begin
    mkdir -p "$R/opt/smartdc" || fail "$R/opt/smartdc cannot be made"
    settle "$1" || fail "what an earlier run began cannot be ended"
    if [ -f "$H/installed" ] && [ "$(sum1 "$H/installed")" = "$1" ]; then
        if [ "$(proof)" != "$1" ]; then  # somebody changed it; what a rollback gives stays what it was
            fetched "$2" "$3" "$4"
            made "$H/stage/list" || fail "it could not be put right: $wrong"
        fi
        key
        [ "$changed" = 0 ] && say already
        say applied
    fi
    fetched "$2" "$3" "$4"
    [ "$(sum1 "$H/stage/list")" = "$1" ] || fail "what arrived is another set; nothing was changed"
    if [ ! -f "$H/saved.new/ready" ]; then
        saved "$1" || fail "how things are cannot be saved; nothing was changed"
    fi
    if ! made "$H/saved.new/todo"; then
        settle '' || fail "it could not be put in place, nor taken back: $wrong"
        changed=0
        fail "it could not be put in place, and was taken back: $wrong"
    fi
    recorded "$H/stage/list" "$H/stage/manifest" && kept_as_saved || fail "it is in place, and could not be recorded"
    key
    say applied
}

rollback() { # DIGEST
    begin
    settle '' || fail "what an earlier run began cannot be ended"
    if [ ! -f "$H/installed" ] || [ "$(sum1 "$H/installed")" != "$1" ]; then say already; fi
    [ "$(cat "$H/saved/for" 2>/dev/null)" = "$1" ] || fail "nothing was saved there to go back to; nothing was changed"
    : >"$H/saved/rolling" && sync || fail "$H cannot be written; nothing was changed"
    rolled || fail "it could not be taken back as a whole; the same command goes on with it"
    key
    say rolled-back
}

verify() { # nothing is changed, and an interrupted run is told of
    case $(uname -s) in SunOS) ;; *) say skipped "it runs $(uname -s), and gzbits are for SmartOS" ;; esac
    if [ -f "$H/saved.new/ready" ] || [ -f "$H/saved/rolling" ]; then
        say interrupted "something that was begun has not ended"
    fi
    if [ -f "$H/installed" ]; then say verified "$(off "$H/installed")"; fi
    say verified
}
"""
