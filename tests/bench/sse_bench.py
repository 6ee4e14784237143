"""Many concurrent event streams of reeve-httpd: are all events delivered, how late, at what memory and CPU time.

    tests/bench/sse_bench.py [--streams N] [--events N] [--workers N]

reeve-httpd sends each stream 50 events, one per 100 ms by an absolute schedule; sse_client reads them. Both share the
machine. Memory is the server's resident set while all streams are open, minus what it was before, per stream.
"""
import argparse
import json
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--streams', type=int, default=10000)
    parser.add_argument('--events', type=int, default=50, help='how many each stream sends (a property of the server)')
    parser.add_argument('--workers', type=int, default=2)
    arguments = parser.parse_args()

    port = free_port()
    with running([BUILD / 'bin/reeve-httpd', port, arguments.workers], port) as server:
        time.sleep(0.2)
        resident_before, tables_before = memory_bytes(server.pid)
        cpu_before = cpu_seconds(server.pid)
        say(f'{arguments.streams} streams, {resident_before / 1e6:.1f} MB resident before')
        client = subprocess.Popen([str(BUILD / 'tests/bench/sse_client'), str(port), str(arguments.streams),
                                   str(arguments.events)], stdout=subprocess.PIPE, text=True)
        peak = {'resident': 0, 'tables': 0}
        stop = threading.Event()
        watcher = threading.Thread(target=watch_memory, args=(server.pid, peak, stop))
        watcher.start()
        lines = []
        resident_open = resident_before
        for line in client.stdout:
            lines.append(line)
            if line.strip() == 'open':
                resident_open, _ = memory_bytes(server.pid)
                say(f'all open: {(resident_open - resident_before) / arguments.streams / 1024:.2f} KB per stream')
        stop.set()
        watcher.join()
        cpu = cpu_seconds(server.pid) - cpu_before
        client.wait()
    if not lines or not lines[-1].startswith('{'):
        sys.exit(f'bench: sse_client ended with status {client.returncode}')
    seen = json.loads(lines[-1])
    report('sse', {'streams': arguments.streams, 'events': arguments.events, 'workers': arguments.workers},
           **{key: seen[key] for key in seen if key != 'streams'},
           resident_bytes_per_stream_when_open=(resident_open - resident_before) / arguments.streams,
           resident_bytes_per_stream_peak=(peak['resident'] - resident_before) / arguments.streams,
           table_bytes_per_stream=(peak['tables'] - tables_before) / arguments.streams,
           cpu_us_per_event=cpu / max(seen['events'], 1) * 1e6)
    sys.exit(client.returncode)


main()
