#!/bin/sh
# Makes the checkout importable and runnable as the collection llmfleet.conda.
#
# Ansible finds a collection only at ansible_collections/NAMESPACE/NAME, so build/collections gets a
# real directory of that name whose entries are links into the checkout. Idempotent; stale links go.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
target=$root/build/collections/ansible_collections/llmfleet/conda
mkdir -p "$target"

# PyPI's `ansible` has an ansible_collections package of its own: without this file Python would
# prefer that one to the namespace directory made here, whatever the order of sys.path.
init=$root/build/collections/ansible_collections/__init__.py
[ -e "$init" ] || : > "$init"

for entry in "$root"/*; do
    name=${entry##*/}
    case $name in
        build|lab|proof|molecule|scripts|requirements|Makefile|ansible.cfg|pyproject.toml) continue ;;
    esac
    [ "$(readlink "$target/$name" 2>/dev/null || :)" = "$entry" ] && continue
    ln -sfn "$entry" "$target/$name"
done

for link in "$target"/*; do
    [ -L "$link" ] && [ ! -e "$link" ] && rm -f "$link"
done
exit 0
