#!/bin/sh
# Make the one environment: sh deploy/setup.sh cpu|cuda FOLDER
# uv does what pip cannot here: override vLLM's cap on fastapi and leave out packages that break beside a CPU torch.
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

# uv does not read pip's configuration: pass on a folder of wheels that pip was told of (a CPU build of torch, say).
links=$(python3 -m pip config get global.find-links 2>/dev/null || python3 -m pip config get :env:.find-links 2>/dev/null || true)
if [ -n "$links" ]; then
    UV_FIND_LINKS=${UV_FIND_LINKS:-$(echo $links)}
    export UV_FIND_LINKS
fi

case $accelerator in
cuda)
    # By the driver that is there, but where somebody says which one will be (the build of an image).
    backend="--torch-backend=${UV_TORCH_BACKEND:-auto}"
    ;;
cpu)
    # A CPU build of torch from those folders, or else from PyTorch's own index.
    backend="--torch-backend=cpu"
    for folder in ${UV_FIND_LINKS:-}; do
        if ls "$folder"/torch-*+cpu-*.whl >/dev/null 2>&1; then backend=""; fi
    done
    ;;
*)
    echo "error: ACCELERATOR is cpu or cuda, not $accelerator" >&2
    exit 2
    ;;
esac

# Compiled once, here: a machine on which Python writes no bytecode would compile vLLM anew in every process.
# shellcheck disable=SC2086
"$uv" pip install --compile-bytecode --python "$venv/bin/python" $backend \
    --constraints deploy/constraints-$accelerator.txt -r pyproject.toml --extra "$accelerator" --extra test --extra docs
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --editable .
