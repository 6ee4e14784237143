"""What the benchmarks that drive a server share: starting it on one core, its CPU time, its memory, JSON lines."""
import contextlib
import json
import os
import pathlib
import resource
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get('REEVE_BUILD_ROOT', ROOT / 'build'))
TICKS = os.sysconf('SC_CLK_TCK')

# Servers and clients inherit it: a descriptor per connection on both sides.
_, descriptors_max = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors_max, descriptors_max))


def say(text):
    print(f'bench: {text}', file=sys.stderr, flush=True)


def report(name, params, **metrics):
    """One line of JSON per result, on standard output."""
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in metrics.items()}
    print(json.dumps({'name': name, 'params': params, **rounded}), flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def fetch(port, path='/', seconds=5):
    """All bytes of one answer as the server sends them, headers included (it must give a Content-Length)."""
    with socket.create_connection(('127.0.0.1', port), timeout=seconds) as connection:
        connection.sendall(f'GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.encode())
        answer = b''
        while b'\r\n\r\n' not in answer:
            answer += received(connection)
        head = answer.split(b'\r\n\r\n')[0]
        length = next(int(line.split(b':')[1]) for line in head.split(b'\r\n')
                      if line.lower().startswith(b'content-length:'))
        while len(answer) < len(head) + 4 + length:
            answer += received(connection)
        return answer


def received(connection):
    data = connection.recv(65536)
    if not data:
        raise ConnectionError('the server closed before its answer was whole')
    return data


@contextlib.contextmanager
def running(argv, port, core=None, environment=None):
    """The process of a server that accepts on `port`; pinned to `core`. Ended by SIGTERM, then SIGKILL."""
    pinned = ['taskset', '-c', str(core)] if core is not None else []
    process = subprocess.Popen(pinned + [str(word) for word in argv], stdout=subprocess.DEVNULL,
                               env={**os.environ, **(environment or {})})
    try:
        wait_for_port(process, port)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            say(f'{argv[0]} did not end at SIGTERM; killed')
            process.kill()
            process.wait()


def wait_for_port(process, port, seconds=15):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit(f'bench: {process.args} ended with status {process.returncode}')
        with contextlib.suppress(OSError):
            socket.create_connection(('127.0.0.1', port), timeout=1).close()
            return
        time.sleep(0.02)
    sys.exit(f'bench: {process.args} does not accept on port {port}')


def cpu_seconds(pid):
    """User and system time of all threads so far."""
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_bytes(pid):
    """Resident set and page tables."""
    status = dict(line.split(':', 1) for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines())
    kib = {key: int(status[key].split()[0]) for key in ('VmRSS', 'VmPTE')}
    return kib['VmRSS'] * 1024, kib['VmPTE'] * 1024
