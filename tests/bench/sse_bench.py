"""Many concurrent event streams of reeve-httpd: are all events delivered, how late, at what memory and CPU time.

    tests/bench/sse_bench.py [--streams N] [--events N] [--workers N] [--rounds N]

reeve-httpd sends each stream 50 events, one per 100 ms by an absolute schedule; sse_client reads them. Both share the
machine. Memory is the server's resident set while all streams are open, minus what it was before, per stream.
"""
import argparse
import json
import statistics
import subprocess
import sys
import threading
import time

from server import BUILD, cpu_seconds, free_port, memory_bytes, report, running, say


def watch_memory(pid, peak, stop):
    while not stop.wait(0.2):
        resident, tables = memory_bytes(pid)
        peak['resident'] = max(peak['resident'], resident)
        peak['tables'] = max(peak['tables'], tables)


def one_round(server, port, arguments):
    """All streams once: what the client saw, and what they cost the server."""
    resident_before, tables_before = memory_bytes(server.pid)
    cpu_before = cpu_seconds(server.pid)
    client = subprocess.Popen([str(BUILD / 'tests/bench/sse_client'), str(port), str(arguments.streams),
                               str(arguments.events)], stdout=subprocess.PIPE, text=True)
    peak = {'resident': 0, 'tables': 0}
    stop = threading.Event()
    watcher = threading.Thread(target=watch_memory, args=(server.pid, peak, stop))
    watcher.start()
    lines = list(client.stdout)
    stop.set()
    watcher.join()
    client.wait()
    if not lines or not lines[-1].startswith('{'):
        sys.exit(f'bench: sse_client ended with status {client.returncode}')
    seen = json.loads(lines[-1])
    say(f'p99 {seen["late_p99_ms"]:.1f} ms, max {seen["late_max_ms"]:.1f} ms late, '
        f'{seen["events"]} of {seen["events_expected"]} events')
    seen['resident_bytes_per_stream'] = (peak['resident'] - resident_before) / arguments.streams
    seen['table_bytes_per_stream'] = (peak['tables'] - tables_before) / arguments.streams
    seen['cpu_us_per_event'] = (cpu_seconds(server.pid) - cpu_before) / max(seen['events'], 1) * 1e6
    return seen


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--streams', type=int, default=10000)
    parser.add_argument('--events', type=int, default=50, help='how many each stream sends (a property of the server)')
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=1, help='rounds that count, after one that does not if > 1')
    arguments = parser.parse_args()

    port = free_port()
    with running([BUILD / 'bin/reeve-httpd', port, arguments.workers], port) as server:
        time.sleep(0.2)
        first = one_round(server, port, arguments)
        rounds = [one_round(server, port, arguments) for _ in range(arguments.rounds)] if arguments.rounds > 1 else [first]
    everything = [first, *rounds]
    # Memory is what a fresh server needs. Lateness is that of the rounds after it: in a virtual machine the first touch
    # of memory is the host's time, tens of milliseconds now and then.
    report('sse', {'streams': arguments.streams, 'events': arguments.events, 'workers': arguments.workers,
                   'rounds': arguments.rounds},
           events=min(one['events'] for one in everything), events_expected=first['events_expected'],
           failed_streams=sum(one['failed_streams'] for one in everything),
           out_of_order=sum(one['out_of_order'] for one in everything),
           early=sum(one['early'] for one in everything),
           resident_bytes_per_stream=first['resident_bytes_per_stream'],
           table_bytes_per_stream=first['table_bytes_per_stream'], first_late_p99_ms=first['late_p99_ms'],
           **{key: statistics.median(one[key] for one in rounds)
              for key in ('late_p50_ms', 'late_p99_ms', 'late_p999_ms', 'late_max_ms', 'cpu_us_per_event')})
    sys.exit(0 if all(one['failed_streams'] == 0 for one in everything) else 1)


main()
