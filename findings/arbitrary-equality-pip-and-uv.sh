#!/bin/sh
# `===` in requirements: packaging 26.4 refuses what 26.3 accepts, and uv installs what pip does not find.
#
# Versions: packaging 26.3 and 26.4, pip 26.3, uv 0.13.9, CPython 3.11.
#
# The specification "Version specifiers" of the Python Packaging User Guide (Arbitrary equality) says that `===` compares
# texts and that tools may accept it for versions that cannot be parsed. One would guess that a requirement
# which one tool resolves is resolved by the others, and that a patch release of packaging reads old files as before.
#
# Seen:
#   Requirement("six===")       packaging 26.3: accepted, it matches no release; 26.4: InvalidRequirement
#   six===1.17  (index has 1.17.0)   pip 26.3: no matching distribution; uv 0.13.9: resolves to six==1.17.0
#
# So a lock or constraints file with `===` that was made with uv can fail with pip, and a file with an empty `===`
# that was read for years stops being read.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for version in 26.3 26.4; do
    python3 -m venv "venv-$version"
    "venv-$version/bin/pip" install -qq --disable-pip-version-check "packaging==$version"
done
cat > empty.py <<'PY'
from packaging.requirements import InvalidRequirement, Requirement

try:
    print("accepted, matches 1.17.0:", Requirement("six===").specifier.contains("1.17.0"))
except InvalidRequirement:
    print("InvalidRequirement")
PY
old=$(venv-26.3/bin/python empty.py)
new=$(venv-26.4/bin/python empty.py)
echo "six===  packaging 26.3: $old"
echo "six===  packaging 26.4: $new"

python3 -m venv tools
tools/bin/pip install -qq --disable-pip-version-check pip==26.3 uv==0.13.9
mkdir wheels
tools/bin/pip download -qq --disable-pip-version-check --no-deps --dest wheels six==1.17.0
echo "six===1.17" > requirements.txt
if tools/bin/pip install --disable-pip-version-check -q --dry-run --ignore-installed --no-index \
    --find-links wheels -r requirements.txt > pip.txt 2>&1; then pip=resolved; else pip=refused; fi
uv=$(tools/bin/uv pip compile --quiet --no-index --find-links wheels --no-header --no-annotate \
    --python tools/bin/python requirements.txt 2>/dev/null || true)
echo "six===1.17  pip 26.3: $pip: $(grep -o 'No matching distribution.*' pip.txt || true)"
echo "six===1.17  uv 0.13.9: $uv"

[ "$old" = "accepted, matches 1.17.0: False" ]
[ "$new" = "InvalidRequirement" ]
[ "$pip" = refused ]
grep -q "No matching distribution found for six===1.17" pip.txt
case $uv in *six==1.17.0*) ;; *) exit 1 ;; esac
