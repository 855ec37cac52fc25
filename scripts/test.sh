#!/usr/bin/env bash
# Sets up and passes the tests, inside the active virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."
python -m pip install --quiet -c constraints.txt -e ".[offline,funcineforge,test]"
ruff check .
ruff format --check .
mypy
python -m pytest
