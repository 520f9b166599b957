#!/usr/bin/env bash
# Everything that only a GPU can show, in under eight minutes: tests, throughput, seconds to quality.
#
#     bash benchmarks/gpu.sh [OUT]          OUT: a folder for the results; default: benchmarks/results/gpu
#
# Needs a Python with torch (its CUDA build, if there is a GPU) and a network or wheels for the rest; MNIST in $CGAN_DATA.
# CGAN_GPU_QUICK=1 runs the same with tiny settings, to try the script itself on a CPU.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-benchmarks/results/gpu}
mkdir -p "$out"
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} CGAN_HOME=${CGAN_HOME:-$(mktemp -d)}
quick=${CGAN_GPU_QUICK:-}
python=${PYTHON:-python3}

part() {  # name, seconds at most, command …: its output goes into a file, its failure into the summary
    local name=$1 limit=$2
    shift 2
    echo "== $name"
    local started=$SECONDS
    timeout "$limit" "$@" >"$out/$name.txt" 2>&1
    local code=$?
    tail -n 15 "$out/$name.txt"
    printf '{"part": "%s", "exit": %d, "seconds": %d}\n' "$name" "$code" $((SECONDS - started)) >>"$out/summary.jsonl"
}

: >"$out/summary.jsonl"
"$python" - >"$out/machine.json" <<'PY'
import json, platform, torch
name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
print(json.dumps({"device": name, "torch": torch.__version__, "python": platform.python_version()}))
PY
cat "$out/machine.json"
part steps 150 "$python" benchmarks/gpu_steps.py --out "$out/steps.json" ${quick:+--quick}
part throughput 120 "$python" benchmarks/throughput.py ${quick:+bce --rounds 2} --out "$out/throughput.json"
part time_to_quality 200 "$python" benchmarks/time_to_quality.py speedrun relativistic --out "$out/time_to_quality.json" \
    --seconds ${quick:-4 10 30} --seeds ${quick:-3}
cat "$out/summary.jsonl"
! grep -qv '"exit": 0' "$out/summary.jsonl"
