"""Each benchmark of the runtime still works, at a size that takes no time; its figures mean nothing here."""
import json
import os
import pathlib
import subprocess
import sys

BENCH = pathlib.Path(os.environ['REEVE_BUILD_ROOT'], 'tests/bench')
STARVE = [sys.executable, pathlib.Path(__file__).parent / 'starve_bench.py']

RUNS = (
    ([BENCH / 'runtime_bench', '--smoke', '--rounds', '1'], {'parked', 'thread_round_trip'}),
    ([BENCH / 'preempt_bench', '--smoke'], {'wake_lateness', 'blocked_read_completion', 'undisturbed'}),
    ([BENCH / 'share_bench', '--smoke'], {'spinner_shares', 'throughput', 'contended_mutex'}),
    (STARVE + ['--seconds', '0.2', '--hogs', '2', '--kinds', 'read', '--hints', 'none'], {'starve'}),
)
for command, wanted in RUNS:
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout
    names = {json.loads(line)['name'] for line in output.splitlines()}
    print(' '.join(sorted(names)))
    if not wanted <= names:
        sys.exit(f'missing: {" ".join(sorted(wanted - names))}')
