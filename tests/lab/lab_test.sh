#!/usr/bin/env bash
# Every scenario of the lab, run now with real kernels and servers, and hoptap's answers against its truth.
# usage: lab_test.sh SOURCE_ROOT TOOLS_FOLDER HOPTAP
set -u
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT
python3 "$1/tests/lab/lab.py" all --out "$out" --tools "$2" || exit $?
python3 "$1/tests/lab/evaluate.py" "$out" --hoptap "$3"
