#!/bin/sh
# Make the virtual environment: sh deploy/setup.sh cpu|cuda FOLDER
# uv, because pip cannot override vLLM's cap on fastapi, or exclude packages that break beside a CPU build of torch.
set -eu
accelerator=$1 venv=$2

if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    python3 -m venv .uv
    .uv/bin/python -m pip install --quiet uv
    uv=.uv/bin/uv
fi

[ -x "$venv/bin/python" ] || "$uv" venv --quiet --python 3.11 "$venv"

# uv does not read pip's configuration: pass on its folders of wheels (such as one with a CPU build of torch).
links=$(python3 -m pip config get global.find-links 2>/dev/null || python3 -m pip config get :env:.find-links 2>/dev/null || true)
if [ -n "$links" ]; then
    UV_FIND_LINKS=${UV_FIND_LINKS:-$(echo $links)}
    export UV_FIND_LINKS
fi

case $accelerator in
cuda)
    # For the installed driver, unless UV_TORCH_BACKEND names another one (the build of an image has no driver).
    backend="--torch-backend=${UV_TORCH_BACKEND:-auto}"
    ;;
cpu)
    # A CPU build of torch from those folders, otherwise from PyTorch's own index.
    backend="--torch-backend=cpu"
    for folder in ${UV_FIND_LINKS:-}; do
        if ls "$folder"/torch-*+cpu-*.whl >/dev/null 2>&1; then backend=""; fi
    done
    ;;
*)
    echo "error: ACCELERATOR must be cpu or cuda, not $accelerator" >&2
    exit 2
    ;;
esac

# Bytecode is compiled here, because a machine on which Python writes none would compile vLLM in every process.
# shellcheck disable=SC2086
"$uv" pip install --compile-bytecode --python "$venv/bin/python" $backend \
    --constraints deploy/constraints-$accelerator.txt -r pyproject.toml --extra "$accelerator" --extra test --extra docs
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --editable .
