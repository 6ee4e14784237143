"""Runs the benchmarks, each in a process of its own: tests/bench/run.py [--full] [NAME...], for `tools/dev bench`.

Names: the benchmarks of runtime_bench, `preempt` (how late fibers run), `share` (who gets how much of the machine), `starve`
(requests beside hogs), `http`, `sse`, `disconnect`, and `twins` (beside the same in Go), which runs only when it is named
because it needs Go. The short form takes some minutes in all and is for seeing that everything works; figures to quote come
from --full on a machine that does nothing else.
"""
import pathlib
import subprocess
import sys

from server import BUILD, say

RUNTIME = ('parked', 'switch', 'spawn_join', 'channel_round_trip', 'channel_buffered', 'skynet', 'sleepers',
           'cold_stacks', 'wake_beside_hogs', 'thread_spawn_join', 'thread_round_trip')
HERE = pathlib.Path(__file__).parent


def commands(full):
    for name in RUNTIME:
        yield name, [BUILD / 'tests/bench/runtime_bench', name] + (['--full'] if full else [])
    for name in ('preempt', 'share'):
        yield name, [BUILD / f'tests/bench/{name}_bench'] + (['--full'] if full else [])
    yield 'starve', [sys.executable, HERE / 'starve_bench.py'] + (['--seconds', '10'] if full else ['--seconds', '1'])
    yield 'http', [sys.executable, HERE / 'http_bench.py'] + (
        ['--seconds', '10', '--rounds', '5'] if full else ['--seconds', '2', '--rounds', '3'])
    yield 'sse', [sys.executable, HERE / 'sse_bench.py'] + (
        ['--streams', '10000', '--rounds', '5'] if full else ['--streams', '2000'])
    yield 'disconnect', [BUILD / 'tests/bench/disconnect_bench'] + (['--full'] if full else [])
    yield 'twins', [sys.executable, HERE / 'twins.py'] + (['--full'] if full else [])


def main():
    full = '--full' in sys.argv
    names = [argument for argument in sys.argv[1:] if argument != '--full']
    wanted = [(name, command) for name, command in commands(full)
              if name in names or (not names and name != 'twins')]
    if not wanted:
        sys.exit('bench: unknown name; known are ' + ' '.join(name for name, _ in commands(full)))
    failed = []
    for name, command in wanted:
        say(name)
        if subprocess.run([str(word) for word in command]).returncode != 0:
            failed.append(name)
    if failed:
        sys.exit('bench: failed: ' + ' '.join(failed))


main()
