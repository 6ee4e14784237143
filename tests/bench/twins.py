"""Each benchmark that has a twin in Go, ours and Go's in turns, and the pairs: tests/bench/twins.py [--full | --smoke] [NAME...].

Only what ran on the same machine in the same minutes can be compared: each round runs one after the other, in processes of
their own, and the next round the other way round. A metric's figure is the median of its rounds. A line of JSON per pair
on standard output, a table on standard error. All metrics are costs: a ratio over 1 is Go's cost in terms of ours.

A virtual machine may give free pages back to its host and wait for each to come again: microseconds that whoever runs second, or
needs less, is spared. So before each process of a benchmark that fills gigabytes as many are touched and let go again.

Needs Go 1.23 (`tools/dev bench twins` installs it).
"""
import json
import mmap
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

from server import BUILD, report, say

NAMES = ('switch', 'spawn_join', 'channel_round_trip', 'channel_buffered', 'skynet', 'sleepers', 'parked')
METRICS = ('ns_per_op', 'ms', 'late_p50_us', 'late_p99_us', 'cpu_us_each', 'start_ns_each', 'wake_and_end_ns_each', 'bytes_each')
FILLED_BYTES = {'parked': 5 << 30}  # with --full: 1,000,000 fibers
ROUNDS = 3
OURS = BUILD / 'tests/bench/runtime_bench'
TWIN = BUILD / 'tests/bench/go-twins'
SOURCE = pathlib.Path(__file__).parent / 'go/twins.go'


def build():
    places = os.pathsep.join(['/usr/lib/go-1.23/bin', os.environ.get('PATH', '')])
    go = shutil.which('go', path=places)
    if go is None:
        sys.exit('bench: no Go; on Debian: `tools/dev bench twins` installs golang-1.23-go')
    subprocess.run([go, 'build', '-o', TWIN, SOURCE], check=True, env={**os.environ, 'GOTOOLCHAIN': 'local', 'GO111MODULE': 'off'})
    return subprocess.run([go, 'version'], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[2]


def results(program, name, options):
    """{(name, parameters, metric): value} of one process."""
    output = subprocess.run([program, '--rounds', '3', name, *options], stdout=subprocess.PIPE, text=True, check=True, timeout=600).stdout
    found = {}
    for line in output.splitlines():
        result = json.loads(line)
        params = tuple((key, value) for key, value in result['params'].items() if key != 'rounds')
        found.update({(result['name'], params, metric): result[metric] for metric in METRICS if metric in result})
    return found


def have_pages(byte_count):
    """This much free memory is there when it is first touched."""
    mmap.mmap(-1, byte_count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


def compare(name, options, rounds):
    """The medians of both, in pairs."""
    figures = {OURS: {}, TWIN: {}}
    for number in range(rounds):
        for program in (OURS, TWIN) if number % 2 == 0 else (TWIN, OURS):
            if '--full' in options and name in FILLED_BYTES:
                have_pages(FILLED_BYTES[name])
            for key, value in results(program, name, options).items():
                figures[program].setdefault(key, []).append(value)
    if figures[OURS].keys() != figures[TWIN].keys():
        sys.exit(f'bench: twins that differ: {sorted(map(str, figures[OURS].keys() ^ figures[TWIN].keys()))}')
    for key, values in figures[OURS].items():
        yield key, statistics.median(values), statistics.median(figures[TWIN][key])


def main():
    options = [argument for argument in sys.argv[1:] if argument.startswith('--')]
    names = [argument for argument in sys.argv[1:] if not argument.startswith('--')] or NAMES
    if unknown := set(names) - set(NAMES):
        sys.exit(f'bench: no twin of {" ".join(sorted(unknown))}; there are {" ".join(NAMES)}')
    version = build()
    rows = []
    for name in names:
        say(f'{name}: reeve and {version} in turns')
        for (title, params, metric), ours, go in compare(name, options, 1 if '--smoke' in options else ROUNDS):
            ratio = round(go / ours, 2) if ours > 0 else None
            report('twins', {'of': title, 'metric': metric, **dict(params)}, reeve=ours, go=go, ratio=ratio)
            rows.append((f'{title} {metric}', dict(params).get('workers', 2), ours, go, ratio))
    say(f'{"":42} workers {"reeve":>12} {version:>12}   Go / reeve')
    for title, workers, ours, go, ratio in rows:
        say(f'{title:42} {workers:7} {ours:12.1f} {go:12.1f} {"-" if ratio is None else f"{ratio:.2f}":>12}')


main()
