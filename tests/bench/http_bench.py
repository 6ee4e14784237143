"""HTTP hello: CPU time per request of reeve-httpd against a bare io_uring responder, measured in the same run.

    tests/bench/http_bench.py [--seconds N] [--rounds N] [--connections N] [--workers N]

Server on core 0, `wrk -t1 -c64` on core 1. CPU time is the server's user and system time from /proc/PID/stat, divided
by the requests wrk counted. The servers take turns, round by round, so that a noisy neighbour hits both; the ratio is
the median of the rounds' ratios. The bare responder answers with the very bytes that reeve-httpd sends.
"""
import argparse
import re
import statistics
import subprocess
import tempfile

from server import BUILD, cpu_seconds, fetch, free_port, report, running, say


def load(process, port, arguments):
    """One round: CPU microseconds per request, and requests per second."""
    before = cpu_seconds(process.pid)
    wrk = subprocess.run(['taskset', '-c', '1', 'wrk', '-t1', f'-c{arguments.connections}',
                          f'-d{arguments.seconds}s', f'http://127.0.0.1:{port}/'],
                         capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(process.pid) - before
    requests, seconds = re.search(r'(\d+) requests in ([\d.]+)s', wrk).groups()
    errors = re.search(r'(Socket errors.*|Non-2xx.*)', wrk)
    if errors:
        say(errors.group(1))
    return used / int(requests) * 1e6, int(requests) / float(seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=int, default=3)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--connections', type=int, default=64)
    parser.add_argument('--workers', type=int, default=1)
    arguments = parser.parse_args()

    reeve_port, bare_port = free_port(), free_port()
    with tempfile.NamedTemporaryFile() as answer, \
            running([BUILD / 'bin/reeve-httpd', reeve_port, arguments.workers], reeve_port, core=0) as reeve:
        answer.write(fetch(reeve_port))
        answer.flush()
        with running([BUILD / 'tests/bench/bare_uring', bare_port, answer.name], bare_port, core=0) as bare:
            rounds = []
            for number in range(1, arguments.rounds + 1):
                bare_us, bare_rate = load(bare, bare_port, arguments)
                reeve_us, reeve_rate = load(reeve, reeve_port, arguments)
                rounds.append((bare_us, reeve_us, bare_rate, reeve_rate))
                say(f'round {number} of {arguments.rounds}: bare {bare_us:.2f} us, '
                    f'reeve-httpd {reeve_us:.2f} us, ratio {reeve_us / bare_us:.2f}')
    bare_us, reeve_us, bare_rate, reeve_rate = (statistics.median(column) for column in zip(*rounds))
    report('http_hello', {'connections': arguments.connections, 'seconds': arguments.seconds,
                          'rounds': arguments.rounds, 'workers': arguments.workers},
           bare_cpu_us=bare_us, reeve_cpu_us=reeve_us,
           ratio=statistics.median(reeve / bare for bare, reeve, _, _ in rounds),
           ratio_min=min(reeve / bare for bare, reeve, _, _ in rounds),
           ratio_max=max(reeve / bare for bare, reeve, _, _ in rounds),
           bare_per_s=bare_rate, reeve_per_s=reeve_rate)


main()
