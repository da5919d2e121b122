#!/bin/sh
# `antsibull-docs lint-collection-docs` reports success for a collection in a folder that git ignores.
#
# Versions: antsibull-docs 2.28.0, antsibull-fileutils 1.5.3, ansible-core 2.19.14.
#
# Collections are usually unpacked or linked below an ignored folder such as build/, since Ansible wants
# ansible_collections/NAMESPACE/NAME. One would guess that the linter reads the folder that it is given,
# or says that it found nothing.
#
# Seen: inside a git repository it copies what `git ls-files` lists, which is nothing for an ignored folder, lints that
# and ends with 0 and no output. The same folder outside the repository ends with 3 and names the mistake.
# `git init` in the collection's folder makes the linter see it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    antsibull-docs==2.28.0 antsibull-fileutils==1.5.3 ansible-core==2.19.14
export PATH="$work/venv/bin:$PATH" ANSIBLE_HOME="$work/ansible"

collection() {
    mkdir -p "$1/roles/r/meta"
    printf 'namespace: foo\nname: bar\nversion: 1.0.0\nreadme: README.md\nauthors: [somebody]\n' > "$1/galaxy.yml"
    echo '# foo.bar' > "$1/README.md"
    # A mistake: an entry point must have a description.
    echo 'argument_specs: {main: {short_description: A role}}' > "$1/roles/r/meta/argument_specs.yml"
}
lint() {
    (cd "$1" && ANSIBLE_COLLECTIONS_PATH="${1%/ansible_collections/*}" \
        antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .) > "$2" 2>&1 || echo $?
}

git init --quiet repository
echo /build/ > repository/.gitignore
collection "$work/repository/build/ansible_collections/foo/bar"
collection "$work/plain/ansible_collections/foo/bar"
ignored=$(lint "$work/repository/build/ansible_collections/foo/bar" ignored.txt)
plain=$(lint "$work/plain/ansible_collections/foo/bar" plain.txt)
echo "in an ignored folder: exit code ${ignored:-0}, $(wc -l < ignored.txt) lines"
echo "outside a repository: exit code ${plain:-0}"
sed 's/^/    /' plain.txt | head -n 5

[ -z "$ignored" ]
[ ! -s ignored.txt ]
[ "$plain" = 3 ]
grep -q "DOCUMENTATION" plain.txt
