#!/bin/sh
# What stamp.c does, where there is no C compiler; its own start takes a few milliseconds, which are counted.
at=$(date +%s%N)
echo "$2 $at" >"$1"
if [ -n "$3" ]; then
    cat "$3" >/dev/null
    echo "$2.end $(date +%s%N)" >"$1"
fi
