# The lab's own shell functions for conda, for any POSIX shell (also under `set -eu`): the wheel that
# carries conda has none.  `conda activate` must change the calling shell, so conda prints what to do
# and the shell does it.
export CONDA_EXE='@PREFIX@/bin/conda'
export CONDA_PYTHON_EXE='@PREFIX@/bin/python'
export CONDA_SHLVL="${CONDA_SHLVL:-0}"

__conda_exe() {
    "$CONDA_EXE" "$@"
}

__conda_activate() {
    # Assigned before it is evaluated: a failure of conda must not change the shell.
    __conda_commands="$(PS1="${PS1:-}" __conda_exe shell.posix "$@")" || return
    # Activation scripts and the prompt may use variables that are not set.
    case "$-" in
        *u*) set +u; eval "$__conda_commands"; set -u ;;
        *) eval "$__conda_commands" ;;
    esac
    unset __conda_commands
    hash -r 2>/dev/null || :
}

conda() {
    case "${1:-}" in
        activate | deactivate)
            __conda_activate "$@"
            ;;
        install | update | upgrade | remove | uninstall)
            __conda_exe "$@" || return
            # New packages may bring activation scripts for the active environment.
            if [ -n "${CONDA_PREFIX:-}" ]; then __conda_activate reactivate; fi
            ;;
        *)
            __conda_exe "$@"
            ;;
    esac
}

case ":$PATH:" in
    *":@PREFIX@/condabin:"*) ;;
    *) export PATH="@PREFIX@/condabin:$PATH" ;;
esac
