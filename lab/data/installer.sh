#!/bin/sh
# NAME:  @NAME@
# VER:   @VERSION@
# PLAT:  linux-64
# MD5:   @MD5@
#
# The lab's installer: the packages of a conda base prefix behind a shell script, with the options,
# messages and exit statuses of a real one.

THIS_FILE="$0"
PREFIX="${HOME:-/opt}/@DEFAULT_FOLDER@"
BATCH=0
FORCE=0
UPDATE=0
SKIP_SCRIPTS=0

usage() {
    echo "usage: $THIS_FILE [options]

Installs @NAME@ @VERSION@
-b           run install in batch mode (without manual intervention),
             it is expected the license terms (if any) are agreed upon
-f           no error if install prefix already exists
-h           print this help message and exit
-p PREFIX    install prefix, defaults to $PREFIX, must not contain spaces.
-s           skip running pre/post-link/install scripts
-u           update an existing installation
"
}

fail() {
    printf 'ERROR: %s\n' "$1" >&2
    exit 1
}

case "$THIS_FILE" in
    *.sh) ;;
    *)
        printf 'Please run using "bash"/"dash"/"sh"/"zsh", but not "." or "source".\n' >&2
        exit 1
        ;;
esac

while getopts "bfhp:su" option; do
    case "$option" in
        b) BATCH=1 ;;
        f) FORCE=1 ;;
        h)
            usage
            exit 2
            ;;
        p) PREFIX="$OPTARG" ;;
        s) SKIP_SCRIPTS=1 ;;
        u) UPDATE=1 ;;
        *) fail "did not recognize option, please try -h" ;;
    esac
done

case "$PREFIX" in
    /*) ;;
    *) PREFIX="$PWD/$PREFIX" ;;
esac

[ -n "${PYTHONPATH:-}" ] && echo "WARNING:
    You currently have a PYTHONPATH environment variable set. This may cause
    unexpected behavior when running the Python interpreter in @NAME@."
unset PYTHONPATH PYTHONHOME LD_LIBRARY_PATH

answer() {
    read -r REPLY || fail "no answer: the input ended"
}

if [ "$BATCH" = 0 ]; then
    printf '\nWelcome to @NAME@ @VERSION@\n\nDo you accept the license terms? [yes|no]\n>>> '
    answer
    case "$REPLY" in
        [Yy] | [Yy][Ee][Ss]) ;;
        *)
            echo "The license agreement wasn't approved, aborting installation."
            exit 2
            ;;
    esac
    printf '\n@NAME@ will now be installed into this location:\n%s\n[%s] >>> ' "$PREFIX" "$PREFIX"
    answer
    [ -n "$REPLY" ] && PREFIX="$REPLY"
fi

case "$PREFIX" in
    *[[:space:]]*) fail "Cannot install into directories with spaces" ;;
esac
if [ "$FORCE" = 0 ] && [ "$UPDATE" = 0 ] && [ -e "$PREFIX" ]; then
    printf 'ERROR: File or directory already exists: '"'%s'"'\n' "$PREFIX" >&2
    printf 'If you want to update an existing installation, use the -u option.\n' >&2
    exit 1
fi
mkdir -p "$PREFIX" 2>/dev/null || fail "Could not create directory: '$PREFIX'"
[ -w "$PREFIX" ] || fail "Could not write to directory: '$PREFIX'"
PREFIX="$(cd "$PREFIX" && pwd)"

FREE_KIB="$(df -Pk "$PREFIX" | awk 'NR == 2 { print $4 }')"
[ "$FREE_KIB" -ge @NEEDED_KIB@ ] || fail "Not enough disk space in '$PREFIX': needs @NEEDED_KIB@ KiB, has $FREE_KIB"
echo "PREFIX=$PREFIX"

payload() {
    tail -n +@HEADER_LINES@ "$THIS_FILE"
}

# As in a real installer a wrong sum is a warning: what is broken shows when it is unpacked.
SUM="$(payload | md5sum | cut -d ' ' -f 1)"
if [ "$SUM" != "@MD5@" ]; then
    printf 'WARNING: md5sum mismatch of tar archive\nexpected: @MD5@\n     got: %s\n' "$SUM" >&2
fi
SIZE="$(($(wc -c < "$THIS_FILE")))"
if [ "$SIZE" != "@SIZE@" ]; then
    printf 'WARNING: size of %s should be @SIZE@ bytes, is %s\n' "$THIS_FILE" "$SIZE" >&2
fi

echo "Unpacking payload ..."
payload | gzip -dc 2>/dev/null | tar -xf - -C "$PREFIX" --no-same-owner 2>/dev/null ||
    fail "the payload is damaged: the file is not what it should be"
[ -f "$PREFIX/.lab-installer/complete" ] || fail "the payload is incomplete"

# Nothing is written outside the prefix: /tmp may be full, or forbid to execute.
TMPDIR="$PREFIX/.lab-installer/tmp"
export TMPDIR
mkdir -p "$TMPDIR"
printf '\nInstalling base environment...\n\n'
LAB_SKIP_SCRIPTS="$SKIP_SCRIPTS" "$PREFIX/@PYTHON@" -I -B "$PREFIX/.lab-installer/install.py" "$PREFIX" ||
    fail "could not install the packages"
rm -rf "$PREFIX/.lab-installer"
mkdir -p "$PREFIX/envs"
[ "$(id -u)" = 0 ] || : > "$PREFIX/.nonadmin"
echo "installation finished."
exit 0
@@PAYLOAD@@
