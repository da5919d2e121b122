#!/bin/sh
# A role's argument spec refuses a null for a boolean or list only where the option has a `default`.
#
# Version: ansible-core 2.19.14.
#
# `default` in meta/argument_specs.yml is documentation: a role's values come from defaults/main.yml, and the spec's
# default is never applied. One would guess that leaving it out (antsibull-docs wants no template there) does
# not change which values are valid.
#
# Seen: with a default, `flag: null` is refused ("is of type NoneType and we were unable to convert to bool").
# Without one it is accepted, and the role runs with None. For `str` and `path` null is accepted both ways.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check ansible-core==2.19.14
cat > look.py <<'PY'
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

DEFAULTS = {"bool": True, "list": [], "str": "x", "path": "/x"}
for kind, default in DEFAULTS.items():
    said = []
    for spec in ({"type": kind, "default": default}, {"type": kind}):
        errors = ArgumentSpecValidator({"flag": spec}).validate({"flag": None}).error_messages
        said.append("refused" if errors else "accepted")
    print(f"{kind}: null with a default {said[0]}, without {said[1]}")
PY
venv/bin/python look.py | tee seen.txt
mkdir -p roles/r/meta roles/r/tasks
echo '- ansible.builtin.debug: {msg: "ran with {{ flag | type_debug }}"}' > roles/r/tasks/main.yml
play() {
    printf 'argument_specs: {main: {options: {flag: {type: bool%s}}}}\n' "$1" > roles/r/meta/argument_specs.yml
    printf -- '- hosts: localhost\n  gather_facts: false\n  roles: [{role: r, flag: null}]\n' > play.yml
    ANSIBLE_HOME="$work/ansible" ANSIBLE_NOCOLOR=1 venv/bin/ansible-playbook -i localhost, -c local play.yml 2>&1 || true
}
play ', default: true' > with.txt
play '' > without.txt
grep -o 'unable to convert to bool' with.txt | head -n 1
grep -o 'ran with .*' without.txt

grep -qx 'bool: null with a default refused, without accepted' seen.txt
grep -qx 'list: null with a default refused, without accepted' seen.txt
grep -qx 'str: null with a default accepted, without accepted' seen.txt
grep -qx 'path: null with a default accepted, without accepted' seen.txt
grep -q 'unable to convert to bool' with.txt
grep -q 'ran with NoneType' without.txt
