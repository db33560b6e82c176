#!/bin/sh
# actuator.sh - a program for weir migrate's driver `exec`, weir-actuator(5); needs jq.
#
# It keeps the shares of some switch of yours, which reads them from a folder: `live` holds the
# bytes that weir gave, `shares` a line "APP PERCENT" each, `running` the marker of what the switch
# took up.  In the plan:
#
#     actuators:
#       switch:
#         driver: exec
#         command: [./actuator.sh, /var/lib/switch]
#         can: [sticky, atomic, stream_safe, verify]
#         resolution: 1%
set -eu

state=${1:?usage: actuator.sh FOLDER}
input=$(cat)

get() { # FILTER: of what weir asks
    printf '%s' "$input" | jq -er "$1"
}

# Replaces a file as a whole: whoever reads it has the old one or the new one.
put() { # NAME, from standard input
    cat > "$state/$1.new"
    sync "$state/$1.new"
    mv "$state/$1.new" "$state/$1"
}

# What the switch would do when it is told to read its shares again.
reload() {
    if [ -f "$state/live" ]; then
        get .marker | put running
    else
        rm -f "$state/running"
    fi
}

case $(get .verb) in
probe)
    if [ -f "$state/live" ]; then
        jq -Rs '{there: true, bytes: .}' "$state/live"
    else
        echo '{"there": false}'
    fi
    ;;
verify)
    [ -f "$state/running" ] || exit 30 # it cannot be told
    jq -Rs '{running: rtrimstr("\n")}' "$state/running"
    ;;
check)
    get 'all(.shares[]; .share % 100 == 0)' > /dev/null || {
        echo "the switch takes whole percents" >&2
        exit 1
    }
    ;;
apply)
    mkdir -p "$state"
    if get .there > /dev/null; then
        get '.shares[] | "\(.app) \(.share / 100)"' | put shares
        printf '%s' "$input" | jq -j .bytes | put live
    else
        rm -f "$state/shares" "$state/live"
    fi
    reload
    ;;
*)
    echo "no such verb" >&2
    exit 2
    ;;
esac
