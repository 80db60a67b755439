# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced after functions.sh: a file that nbdkit gives, by FUSE.

requires nbdfuse --version
requires fusermount3 --version
requires test -w /dev/fuse

fuse=""

# serve_file FILE NBDKIT-ARG...: process $fuse gives it, one at a time.
serve_file ()
{
    : > "$1"
    nbdfuse "$1" [ nbdkit --exit-with-parent "${@:2}" ] 2> nbdkit.log &
    fuse=$!
    for _ in $(seq 600); do
        [ ! -s "$1" ] || return 0
        sleep 0.05
    done
    fail "nbdkit does not come up: $(cat nbdkit.log)"
}

# unserve_file FILE: what serve_file began; it may have died, or stand still.
unserve_file ()
{
    [ -n "$fuse" ] || return 0
    fusermount3 -u -z "$1" 2> /dev/null || true # gone with its process
    kill -KILL "$fuse" 2> /dev/null || true
    wait "$fuse" 2> /dev/null || true # killed
    fuse=""
}
