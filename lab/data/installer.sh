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
        f | u) FORCE=1 ;;
        h)
            usage
            exit 2
            ;;
        p) PREFIX="$OPTARG" ;;
        s) ;; # The base packages have no scripts.
        *)
            printf "ERROR: did not recognize option '%s', please try -h\n" "$option"
            exit 1
            ;;
    esac
done

answer() {
    read -r REPLY || exit 1
}

if [ "$BATCH" = 0 ]; then
    printf '\nWelcome to @NAME@ @VERSION@\n\nIn order to continue the installation process, '
    printf 'please review the license\nagreement.\nPlease, press ENTER to continue\n>>> '
    answer
    printf 'Each package has a license of its own, see pkgs/*/info.\n\n'
    printf 'Do you accept the license terms? [yes|no]\n>>> '
    answer
    case "$REPLY" in
        [Yy] | [Yy][Ee][Ss]) ;;
        *)
            printf "The license agreement wasn't approved, aborting installation.\n"
            exit 2
            ;;
    esac
    printf '\n@NAME@ will now be installed into this location:\n%s\n\n[%s] >>> ' "$PREFIX" "$PREFIX"
    answer
    [ -n "$REPLY" ] && PREFIX="$REPLY"
fi

case "$PREFIX" in
    *[[:space:]]*) fail "Cannot install into directories with spaces" ;;
esac
if [ "$FORCE" = 0 ] && [ -e "$PREFIX" ]; then
    printf "ERROR: File or directory already exists: '%s'\n" "$PREFIX" >&2
    printf 'If you want to update an existing installation, use the -u option.\n' >&2
    exit 1
fi
mkdir -p "$PREFIX" || fail "Could not create directory: '$PREFIX'.
Check permissions and available disk space (@NEEDED_MB@ MB needed)."
PREFIX="$(cd "$PREFIX" && pwd)"
[ -w "$PREFIX" ] || fail "Could not write to directory: '$PREFIX'."
FREE_MB="$(df -Pk "$PREFIX" | awk 'NR == 2 { print int($4 / 1024) }')"
[ "$FREE_MB" -ge @NEEDED_MB@ ] ||
    fail "Not enough free space in '$PREFIX': @NEEDED_MB@ MB needed, $FREE_MB MB there."
printf 'PREFIX=%s\n' "$PREFIX"

payload() {
    tail -n +@HEADER_LINES@ "$THIS_FILE"
}

# As in a real installer a wrong sum is a warning: what is broken shows when it is unpacked.
SUM="$(payload | md5sum)"
if [ "$SUM" != "@MD5@  -" ]; then
    printf 'WARNING: md5sum mismatch of tar archive\nexpected: @MD5@\n     got: %s\n' "$SUM" >&2
fi
SIZE="$(($(wc -c < "$THIS_FILE")))"
if [ "$SIZE" != "@SIZE@" ]; then
    printf 'WARNING: size of %s should be @SIZE@ bytes, is %s\n' "$THIS_FILE" "$SIZE" >&2
fi

OWN="$PREFIX/.lab-installer"
printf 'Unpacking bootstrapper...\nUnpacking payload...\n'
mkdir -p "$OWN"
# gzip's own check finds what was changed (1); bytes after the end do no harm (2).
payload | {
    gzip -dcq 2>/dev/null
    echo "$?" > "$OWN/gzip-status"
} | tar -xf - -C "$PREFIX" --no-same-owner &&
    [ "$(cat "$OWN/gzip-status")" != 1 ] ||
    fail "the packages could not be unpacked: the installer is damaged"

# Nothing is written outside the prefix: /tmp may be full, or forbid to execute.
export TMPDIR="$OWN/tmp"
mkdir -p "$TMPDIR"
printf '\nInstalling base environment...\n\n'
# Isolated (-I), so that PYTHONPATH and the like do not matter.
"$PREFIX/@PYTHON@" -I -B "$OWN/install.py" "$PREFIX" || exit 1
rm -rf "$OWN"
mkdir -p "$PREFIX/envs"
[ "$(id -u)" = 0 ] || : > "$PREFIX/.nonadmin"
printf 'installation finished.\n'
if [ -n "${PYTHONPATH:-}" ]; then
    printf 'WARNING:\n    You currently have a PYTHONPATH environment variable set. This may cause\n'
    printf '    unexpected behavior when running the Python interpreter in @NAME@.\n'
fi
exit 0
@@PAYLOAD@@
