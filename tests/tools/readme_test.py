"""The programs that the READMEs show compile, with the very command the README gives, and do what they are there to show.

Every ```cpp block with a main() must have a check here, and every check its block. The text is the README's own; only a
port that a server listens on is replaced by a free one, since tests do not own fixed ports.

Seen failing with a recv() misspelt in README.md, with the squares off by one, and with the echo's write taken out of
net/README.md.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(os.environ['REEVE_SOURCE_ROOT'])
BUILD = pathlib.Path(os.environ['REEVE_BUILD_ROOT'])
PATIENCE = 60  # seconds, for whatever should take less than one
BLOCK = re.compile(r'^```cpp\n(.*?)^```$', re.M | re.S)


# --- What a program must do. Each takes the compiled program and the port that stands in its text.

def prints(wanted, in_order=True):
    def check(program, _port):
        done = subprocess.run([program], capture_output=True, text=True, timeout=PATIENCE)
        lines = done.stdout.splitlines()
        if (lines if in_order else sorted(lines)) != (wanted if in_order else sorted(wanted)) or done.returncode != 0:
            sys.exit(f'{program.name}: status {done.returncode}, printed {done.stdout!r}, {done.stderr!r}')
    return check


def serves_hello(program, port):
    with serving(program, port):
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/hello/reader', timeout=PATIENCE) as answer:
            text = answer.read()
    if text != b'hello reader':
        sys.exit(f'{program.name}: answered {text!r}')


def echoes(program, port):
    with serving(program, port):
        with socket.create_connection(('127.0.0.1', port), timeout=PATIENCE) as connection:
            for text in (b'one', b'another'):
                connection.sendall(text)
                back = b''
                while len(back) < len(text):
                    data = connection.recv(512)
                    if not data:
                        sys.exit(f'{program.name}: closed instead of answering')
                    back += data
                if back != text:
                    sys.exit(f'{program.name}: {text!r} came back as {back!r}')


CHECKS = {
    'README.md': [prints([str(i * i) for i in range(8)], in_order=False), serves_hello],
    'runtime/README.md': [prints(['the other one']), prints(['no overdraft'])],
    'net/README.md': [echoes],
}


@contextlib.contextmanager
def serving(program, port):
    """A server that must accept, must not end by itself, and ends at SIGTERM (which the programs leave at its default)."""
    process = subprocess.Popen([program])
    try:
        until = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(('127.0.0.1', port), timeout=PATIENCE).close()
                break
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f'{program.name}: does not accept (status {process.poll()})')
            time.sleep(0.02)
        yield
        if process.poll() is not None:
            sys.exit(f'{program.name}: ended by itself with status {process.returncode}')
        process.terminate()
        status = process.wait(PATIENCE)
        if status not in (0, -signal.SIGTERM):
            sys.exit(f'{program.name}: ended at SIGTERM with status {status}')
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def with_free_port(text):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    return re.sub(r'"127\.0\.0\.1:\d+"', f'"127.0.0.1:{port}"', text), port


def main():
    options = json.loads((BUILD / 'meson-info/intro-buildoptions.json').read_text())
    sanitizer = next(option['value'] for option in options if option['name'] == 'b_sanitize')
    if sanitizer != 'none':
        print(f'built with the {sanitizer} sanitizer, which pkg-config knows nothing of')
        return 77
    command = re.search(r'^g\+\+ .* program\.cpp .*$', (ROOT / 'README.md').read_text(), re.M).group()
    environment = {**os.environ, 'PKG_CONFIG_PATH': str(BUILD / 'meson-uninstalled')}
    with tempfile.TemporaryDirectory() as name:
        for path in sorted([*ROOT.glob('*.md'), *ROOT.glob('*/*.md')]):
            readme = str(path.relative_to(ROOT))
            checks = CHECKS.get(readme, [])
            texts = [text for text in BLOCK.findall(path.read_text()) if re.search(r'^int main\(', text, re.M)]
            if len(texts) != len(checks):
                sys.exit(f'{readme}: shows {len(texts)} programs, and there are checks for {len(checks)}')
            for number, (text, check) in enumerate(zip(texts, checks), 1):
                text, port = with_free_port(text)
                folder = pathlib.Path(name, readme.replace('/', '-') + f'-{number}')
                folder.mkdir()
                (folder / 'program.cpp').write_text(text)
                subprocess.run(f'{command} -Wall -Wextra -Werror', shell=True, cwd=folder, env=environment, check=True)
                program = (folder / 'program').rename(folder / folder.name)
                check(program, port)
                print(f'{readme}, program {number}: works')
    return 0


sys.exit(main())
