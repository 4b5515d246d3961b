#!/usr/bin/bash
# The datacenter's configuration, for scripts (reference 1.5).
#
#   bash /lib/sdc/config.sh -json             one flat JSON object; every value is a string
#   . /lib/sdc/config.sh; load_sdc_config     each key becomes the shell variable CONFIG_<key>
#
# Read from /usbkey/config layered over /usbkey/config.inc/generic; where there is no such copy from the boot key; on a
# compute node from node.config. The JSON is cached and made anew when an input is newer.

_sdc_root='@ROOT@'
_sdc_cache='@RUN@/config.json'

function _sdc_config_files {
    local base
    for base in "$_sdc_root/usbkey" "$_sdc_root/mnt/usbkey"; do
        if [[ -f $base/config ]]; then
            _sdc_files=("$base/config.inc/generic" "$base/config")
            return
        fi
    done
    _sdc_files=("$_sdc_root/opt/smartdc/config/node.config")
}

# Calls "$1 KEY VALUE" for every line of every file, later files last.
function _sdc_config_each {
    local file line key value
    _sdc_config_files
    for file in "${_sdc_files[@]}"; do
        [[ -f $file ]] || continue
        while IFS= read -r line || [[ -n $line ]]; do
            [[ $line =~ ^[[:space:]]*([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] || continue
            key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
            if [[ $value =~ ^\'(.*)\'$ || $value =~ ^\"(.*)\"$ ]]; then
                value=${BASH_REMATCH[1]}
            fi
            "$1" "$key" "$value"
        done < "$file"
    done
}

function _sdc_config_set {
    printf -v "CONFIG_$1" '%s' "$2"
}

function load_sdc_config {
    _sdc_config_each _sdc_config_set
}

function _sdc_config_note {
    local value=${2//\\/\\\\}
    [[ -n ${_sdc_seen[$1]+x} ]] || _sdc_keys+=("$1")
    _sdc_seen[$1]=${value//\"/\\\"}
}

function _sdc_config_json {
    local -A _sdc_seen
    local -a _sdc_keys=()
    local key comma=
    _sdc_config_each _sdc_config_note
    printf '{\n'
    for key in "${_sdc_keys[@]}"; do
        printf '%s  "%s": "%s"' "$comma" "$key" "${_sdc_seen[$key]}"
        comma=$',\n'
    done
    printf '\n}\n'
}

function _sdc_config_cached {
    local file
    _sdc_config_files
    for file in "${_sdc_files[@]}"; do
        if [[ -f $file && ! $_sdc_cache -nt $file ]]; then
            _sdc_config_json > "$_sdc_cache.$$" && mv -f "$_sdc_cache.$$" "$_sdc_cache"
            break
        fi
    done
    printf '%s\n' "$(< "$_sdc_cache")"
}

if [[ ${BASH_SOURCE[0]} == "$0" && ${1:-} == -json ]]; then
    if [[ -e '@FAULTY@' ]]; then
        exec @PROGRAM@ config.sh "$@"
    fi
    _sdc_config_cached
fi
