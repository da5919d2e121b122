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

# Part of the payload: its first byte and the one after its last.
extract_range() {
    payload | tail -c "+$(($1 + 1))" | head -c "$(($2 - $1))"
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

# From here on the same names come and go, in the same order, as with a real installer of conda-standalone
# (constructor 3.16, header.sh), but for the archives of packages.
printf 'Unpacking bootstrapper...\n'
CONDA_EXEC="$PREFIX/_conda"
extract_range 0 @PROGRAM_END@ > "$CONDA_EXEC"
chmod +x "$CONDA_EXEC"

# Where TMPDIR names no directory: /tmp may be full, or forbid to execute.
export TMP="$PREFIX/install_tmp"
mkdir -p "$TMP"
[ "$(id -u)" = 0 ] || : > "$PREFIX/.nonadmin"

printf 'Unpacking payload...\n'
extract_range @PROGRAM_END@ @LISTS_END@ |
    "$CONDA_EXEC" constructor --extract-tarball --prefix "$PREFIX" || exit 1
PRECONDA="$PREFIX/preconda.tar.bz2"
"$CONDA_EXEC" constructor --prefix "$PREFIX" --extract-tarball < "$PRECONDA" || exit 1
rm -f "$PRECONDA"
extract_range @LISTS_END@ @PACKAGES_END@ |
    "$CONDA_EXEC" constructor --prefix "$PREFIX" --extract-conda-pkgs || exit 1

MSGS="$PREFIX/.messages.txt"
touch "$MSGS"
printf '\nInstalling base environment...\n\n'
"$CONDA_EXEC" install --offline --file "$PREFIX/conda-meta/initial-state.explicit.txt" \
    -yp "$PREFIX" || exit 1
mkdir -p "$PREFIX/envs"

POSTCONDA="$PREFIX/postconda.tar.bz2"
"$CONDA_EXEC" constructor --prefix "$PREFIX" --extract-tarball < "$POSTCONDA" || exit 1
rm -f "$POSTCONDA"
rm -rf "$PREFIX/install_tmp"
cat "$MSGS"
rm -f "$MSGS"
find "$PREFIX/pkgs" -type d -empty -exec rmdir {} \; 2>/dev/null || :
printf 'installation finished.\n'
if [ -n "${PYTHONPATH:-}" ]; then
    printf 'WARNING:\n    You currently have a PYTHONPATH environment variable set. This may cause\n'
    printf '    unexpected behavior when running the Python interpreter in @NAME@.\n'
fi
exit 0
@@PAYLOAD@@
