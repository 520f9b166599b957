#!/usr/bin/env bash
# All that only a GPU can show, within eight minutes: tests, equal steps, throughput, seconds to quality, a full training.
#
#     bash benchmarks/gpu.sh [OUT]          OUT: a folder for the results; default: benchmarks/results/gpu
#     CGAN_GPU_QUICK=1 bash benchmarks/gpu.sh OUT     the same with tiny settings, to try the script itself on a CPU
#
# It needs python3 (or $PYTHON) with PyTorch's CUDA build, and MNIST: $CGAN_DATA, shared/datasets or ../shared/datasets,
# packed or not. It asks no network. What python3 lacks of requirements.txt is taken from wheels in .wheels/. On another
# machine, which has a network, they are fetched for the Python and the processor of this one:
#
#     get="python3 -m pip download -d .wheels --only-binary=:all: --implementation cp --python-version 3.12
#         --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64"
#     $get pydantic tyro filelock && $get --no-deps torch-fidelity torchinfo
#
# (3.5 MB, where all else is there.) A part that fails leaves the others alone: log.txt says why, and summary.json which.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:-benchmarks/results/gpu}"
out=$(cd "${1:-benchmarks/results/gpu}" && pwd)
quick=${CGAN_GPU_QUICK:-}
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CGAN_HOME=$work/home PYTHONUNBUFFERED=1 MPLBACKEND=Agg

if compgen -G ".wheels/*.whl" >/dev/null; then
    "$python" -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$work/site" .wheels/*.whl
fi
export PYTHONPATH=$PWD:$work/site${PYTHONPATH:+:$PYTHONPATH}

for folder in "${CGAN_DATA:-}" shared/datasets ../shared/datasets; do
    if [ -d "$folder/MNIST/raw" ]; then
        CGAN_DATA=$(cd "$folder" && pwd)
        if [ ! -e "$folder/MNIST/raw/train-images-idx3-ubyte" ]; then
            mkdir -p "$work/data/MNIST" && cp -R "$folder/MNIST/raw" "$work/data/MNIST/raw"
            chmod -R u+w "$work/data" && gunzip -q "$work"/data/MNIST/raw/*.gz
            CGAN_DATA=$work/data
        fi
        export CGAN_DATA
        break
    fi
done

part() {  # name, seconds at most, command …: its output goes to the log, how it ended into the summary
    local name=$1 limit=$2
    shift 2
    echo "== $name" | tee -a "$out/log.txt"
    local started=$SECONDS
    timeout -k 10 "$limit" "$@" >"$work/output" 2>&1
    local code=$?
    cat "$work/output" >>"$out/log.txt"
    tail -n 15 "$work/output"
    parts+=("$(printf '{"part": "%s", "exit": %d, "seconds": %d}' "$name" "$code" $((SECONDS - started)))")
}

if [ "$quick" ]; then
    steps=(--quick) compared=(bce --rounds 2) budgets=(--seconds 2 --seeds 1) profile=ci
else
    steps=() compared=(--rounds 10) budgets=(--seconds 4 30 --seeds 3) profile=full
fi
parts=()
: >"$out/log.txt"
rm -f "$out"/{steps,throughput,time_to_quality}.json  # of another machine, it may be

part tests 60 "$python" -m pytest -q -p no:nbval -p no:cacheprovider -o addopts= \
    -k "gpu or graphs" tests/test_capture.py tests/test_training.py tests/test_data.py
part steps 100 "$python" benchmarks/gpu_steps.py --out "$out/steps.json" "${steps[@]}"
part throughput 70 "$python" benchmarks/throughput.py "${compared[@]}" --out "$out/throughput.json"
part speedrun 140 "$python" benchmarks/time_to_quality.py speedrun --out "$out/time_to_quality.json" \
    "${budgets[@]}"
if [ -z "$quick" ]; then
    part relativistic 50 "$python" benchmarks/time_to_quality.py relativistic --out "$out/time_to_quality.json" \
        --seconds 30 --seeds 1
fi
# A run that is told to end writes a checkpoint first; its best generator is kept
left=$((465 - SECONDS))
part full "$((left > 15 ? left : 15))" "$python" -m cgan_lib train --profile "$profile" relativistic
find "$work/home" -name best_generator.safetensors -exec cp {} "$out/relativistic.safetensors" \;

"$python" - "$out" "${parts[@]}" <<'PY'
import json
import platform
import sys
from pathlib import Path

facts = {"python": platform.python_version()}
try:
    import torch
except ImportError as error:
    facts["torch"] = str(error)
else:
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    facts |= {"machine": name, "torch": torch.__version__}
facts["parts"] = [json.loads(part) for part in sys.argv[2:]]
text = json.dumps(facts, indent=1)
Path(sys.argv[1], "summary.json").write_text(text + "\n", "utf-8")
print(text)
sys.exit(any(part["exit"] for part in facts["parts"]))
PY
