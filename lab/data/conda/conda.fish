# The lab's own function for conda in fish: the wheel that carries conda has none. As in conda.sh, conda prints what
# is to change in the calling shell, and the shell does it.
set -gx CONDA_EXE '@PREFIX@/bin/conda'
set -gx CONDA_PYTHON_EXE '@PREFIX@/bin/python'
set -q CONDA_SHLVL; or set -gx CONDA_SHLVL 0

function __conda_activate
    # Kept before it is read: a failure of conda must not change the shell.
    set -l commands ($CONDA_EXE shell.fish $argv)
    or return
    printf '%s\n' $commands | source
end

function conda
    switch "$argv[1]"
        case activate deactivate
            __conda_activate $argv
        case install update upgrade remove uninstall
            $CONDA_EXE $argv
            or return
            # New packages may bring activation scripts for the active environment.
            if set -q CONDA_PREFIX
                __conda_activate reactivate
            end
        case '*'
            $CONDA_EXE $argv
    end
end

if not contains '@PREFIX@/condabin' $PATH
    set -gx PATH '@PREFIX@/condabin' $PATH
end
