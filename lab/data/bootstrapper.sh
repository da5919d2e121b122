#!/bin/sh
# The lab's stand-in for conda-standalone, the program that unpacks and links the packages of an installer.
#
#     _conda constructor --prefix PREFIX --extract-tarball     an archive comes on stdin
#     _conda constructor --prefix PREFIX --extract-conda-pkgs  so does one of all packages (the real one has
#                                                              an archive of each in PREFIX/pkgs)
#     _conda install ...                                       as conda does

HERE="$(cd "$(dirname "$0")" && pwd)"

if [ "$1" != constructor ]; then
    # An archive that Python runs is at the end of this file. Isolated (-I), so that PYTHONPATH and the like
    # do not matter.
    exec "$HERE/@PYTHON@" -I -B "$HERE/_conda" "$@"
fi

PREFIX="$HERE"
while [ "$#" -gt 0 ]; do
    [ "$1" != --prefix ] || PREFIX="$2"
    shift
done
# gzip's own check finds what was changed (1). It is no part of what tar's status tells.
STATUS="$(
    {
        {
            gzip -dcq 2>/dev/null
            echo "$?" >&3
        } | tar -xf - -C "$PREFIX" --no-same-owner >&2
    } 3>&1
)" && [ "$STATUS" != 1 ] && exit 0
printf 'ERROR: the packages could not be unpacked: the installer is damaged\n' >&2
exit 1
@@ARCHIVE@@
