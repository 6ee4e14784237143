"""How long short requests take beside handlers that never let go: runs of reeve-starve, and which of the bounds hold.

    tests/bench/starve_bench.py [--seconds S] [--rate R] [--hogs N,N] [--kinds K,K] [--hints H,H]

Two series: the empty loop beside more and more hogs, under each kind of help from the kernel's scheduler
(REEVE_KERNEL_HINTS); then every kind of hog, 16 of them. Each run of reeve-starve measures the server without hogs first,
so that a ratio compares two figures of the same minute. A line of JSON per run on standard output, a table at the end on
standard error. reeve-starve prints two digits: a bound holds when the printed figure does.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

from server import BUILD, report, say

STARVE = BUILD / 'bin/reeve-starve'
HOGS = (1, 2, 4, 16, 64, 1000)
HINTS = ('automatic', 'slices', 'none')
KINDS_HOGS = 16
LOOP_BOUND_MS = 1.2        # p99, the empty loop with all hints
LOOP_BOUND_RATIO = 2.5     # and against the server without hogs
KIND_BOUND_MS = 3          # p99, every kind of hog
WITHOUT_HINTS_BOUND_MS = 5

ROW = re.compile(r'^(?:preemptive)?\s+(\d+)\s+(\d+)\s+((?:> )?[\d.]+ m?s)\s+((?:> )?[\d.]+ m?s)\s+((?:> )?[\d.]+ m?s)\s+'
                 r'(\d+)(?: \+ (\d+) refused)? of (\d+)$', re.M)


def kinds():
    """The names reeve-starve lists under --kind."""
    usage = subprocess.run([STARVE, '--help'], capture_output=True, text=True).stderr
    listed = usage.split('--kind')[-1].split('--out')[0]
    return re.findall(r'^ {10,}(\w+) ', listed, re.M)


def milliseconds(text):
    number, unit = text.lstrip('> ').split()
    return float(number) * (1000 if unit == 's' else 1)


def as_metrics(row):
    _, running, p50, p99, most, timeouts, errors, requests = row
    return {'running': int(running), 'p50_ms': milliseconds(p50), 'p99_ms': milliseconds(p99), 'max_ms': milliseconds(most),
            'unanswered': int(timeouts) + int(errors or 0), 'requests': int(requests)}


def measure(kind, hogs, hints, arguments):
    """Without hogs and with them; None when reeve-starve failed."""
    patience = 60 + 4 * arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        command = [STARVE, '--mode', 'preemptive', '--kind', kind, '--hogs', str(hogs), '--rate', str(arguments.rate),
                   '--seconds', str(arguments.seconds), '--out', folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=True,
                                  env={**os.environ, 'REEVE_KERNEL_HINTS': hints})
        except subprocess.TimeoutExpired:
            say(f'{kind}, {hogs} hogs: not done after {patience:g} s')
            return None
        except subprocess.CalledProcessError as failed:
            say(f'{kind}, {hogs} hogs: reeve-starve ended with status {failed.returncode}: {failed.stderr.strip()}')
            return None
    rows = ROW.findall(done.stdout)
    if len(rows) != 2:
        say(f'{kind}, {hogs} hogs: the table of reeve-starve is not understood:\n{done.stdout}')
        return None
    return as_metrics(rows[0]), as_metrics(rows[1])


def bounds(kind, hints):
    """The most that p99 may be, in milliseconds and against the server without hogs (None: no such bound)."""
    if hints == 'none':
        return WITHOUT_HINTS_BOUND_MS, None
    if kind == 'loop':
        return LOOP_BOUND_MS, LOOP_BOUND_RATIO
    return KIND_BOUND_MS, None


def run(kind, hogs, hints, arguments):
    measured = measure(kind, hogs, hints, arguments)
    if not measured:
        return f'{kind:10} {hogs:5} {hints:10} failed', False
    unloaded, loaded = measured
    ratio = loaded['p99_ms'] / max(unloaded['p99_ms'], 0.01)
    most_ms, most_ratio = bounds(kind, hints)
    holds = (loaded['p99_ms'] <= most_ms and (most_ratio is None or ratio <= most_ratio) and loaded['unanswered'] == 0
             and loaded['running'] == hogs)
    report('starve', {'kind': kind, 'hogs': hogs, 'hints': hints, 'rate': arguments.rate, 'seconds': arguments.seconds},
           **loaded, unloaded_p99_ms=unloaded['p99_ms'], ratio=ratio, bound_p99_ms=most_ms,
           **({'bound_ratio': most_ratio} if most_ratio else {}), holds=int(holds))
    bound = f'<= {most_ms:g} ms' + (f', x {most_ratio:g}' if most_ratio else '')
    return (f'{kind:10} {hogs:5} {hints:10} {loaded["running"]:7} {loaded["p50_ms"]:8.2f} {loaded["p99_ms"]:8.2f} '
            f'{loaded["max_ms"]:8.2f} {loaded["unanswered"]:10} {unloaded["p99_ms"]:8.2f} {ratio:6.1f}   '
            f'{bound:16} {"holds" if holds else "DOES NOT HOLD"}'), holds


def words(known, default):
    def parse(text):
        chosen = text.split(',') if text else []
        unknown = set(chosen) - set(known)
        if unknown:
            raise argparse.ArgumentTypeError(f'unknown: {" ".join(sorted(unknown))}; known are {" ".join(known)}')
        return chosen
    return {'type': parse, 'default': list(default), 'help': 'with commas between; known are ' + ' '.join(known)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=float, default=4, help='of requests in each of the two halves of a run')
    parser.add_argument('--rate', type=int, default=200)
    parser.add_argument('--hogs', type=lambda text: [int(word) for word in text.split(',') if word], default=list(HOGS),
                        help='of the first series; empty: none of it')
    all_kinds = kinds()
    parser.add_argument('--kinds', **words(all_kinds, all_kinds))
    parser.add_argument('--hints', **words(HINTS, HINTS))
    arguments = parser.parse_args()

    runs = [('loop', hogs, hints) for hints in arguments.hints for hogs in arguments.hogs]
    runs += [(kind, KINDS_HOGS, 'automatic') for kind in arguments.kinds]
    rows = [run(*one, arguments) for one in runs]
    print(f'\n{"hogs":16} {"hints":10} running      p50      p99      max unanswered unloaded  ratio   bounds', file=sys.stderr)
    print('\n'.join(row for row, _ in rows), file=sys.stderr)
    held = sum(holds for _, holds in rows)
    say(f'{held} of {len(rows)} hold (times in ms; unloaded: p99 without hogs)')
    sys.exit(0 if all('failed' not in row for row, _ in rows) else 1)


main()
