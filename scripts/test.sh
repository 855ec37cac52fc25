#!/usr/bin/env bash
# Sets up and passes the tests, inside the active virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."
python -m pip install --quiet -c constraints.txt -e ".[offline,funcineforge,test]"
# only its vocabulary file is read, so that the tests of Fun-CineForge's texts are not skipped
python -m pip install --quiet --no-deps dashscope==2.0.2
ruff check .
ruff format --check .
mypy
# two processes, which share the cores instead of each taking them all
OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile
