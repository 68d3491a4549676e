#!/usr/bin/env bash
# Faults of single requests, run now with real kernels and servers, and hoptap's answers against their truth.
# usage: lab_faults_test.sh SOURCE_ROOT TOOLS_FOLDER HOPTAP
set -u
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT
python3 "$1/tests/lab/lab.py" faults --out "$out" --tools "$2" --hoptap "$3"
