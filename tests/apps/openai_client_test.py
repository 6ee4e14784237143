"""The official npm client `openai`, unmodified, streams and does not stream against reeve-gateway.

Installs the pinned package into the build folder, starts the gateway on a free port, and runs client_test.mjs against
it: once directly, once through a second gateway. Skipped (77) only where there is no npm.
"""
import contextlib
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent / 'openai_client'
BUILD = pathlib.Path(os.environ['REEVE_BUILD_ROOT'])
INSTALL_SECONDS = 120
TEST_SECONDS = 60
START_SECONDS = 20
END_SECONDS = 20


def install():
    """Copies the test beside its own node_modules; nothing is written to the source tree."""
    folder = BUILD / 'tests/openai_client'
    folder.mkdir(parents=True, exist_ok=True)
    for path in HERE.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    wanted = (HERE / 'package-lock.json').read_bytes()
    stamp = folder / 'installed-lock.json'
    if not stamp.exists() or stamp.read_bytes() != wanted:
        done = subprocess.run(['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts'], cwd=folder,
                              timeout=INSTALL_SECONDS)
        if done.returncode != 0:
            sys.exit('npm ci failed; is the registry within reach?')
        stamp.write_bytes(wanted)
    return folder


@contextlib.contextmanager
def gateway(*options):
    """The address of a gateway that runs until the end of the block, and must then end by itself with status 0."""
    process = subprocess.Popen([BUILD / 'bin/reeve-gateway', '--listen', '127.0.0.1:0', *options],
                               stdout=subprocess.PIPE, text=True)
    try:
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else ''
        found = re.search(r'https?://[\w.:]+', line)
        if not found:
            sys.exit(f'the gateway printed {line!r} instead of its address')
        yield found[0]
        if os.environ.get('REEVE_SANITIZER') == 'thread':
            print('SIGTERM is left out: ThreadSanitizer keeps signals back from threads that wait')
            return
        process.terminate()
        status = process.wait(END_SECONDS)
        if status != 0:
            sys.exit(f'the gateway ended with status {status} at SIGTERM')
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def run_client(folder, address):
    done = subprocess.run(['node', 'client_test.mjs', f'{address}/v1'], cwd=folder, timeout=TEST_SECONDS)
    if done.returncode != 0:
        sys.exit('the client test failed')


def main():
    for tool in ('node', 'npm'):
        if not shutil.which(tool):
            print(f'{tool} is not installed, so the official client cannot be tried')
            return 77
    folder = install()
    with gateway('--profile', 'instant') as address:
        print(f'-- {address}', flush=True)
        run_client(folder, address)
        with gateway('--upstream', address) as front:
            print(f'-- through {front}', flush=True)
            run_client(folder, front)
    return 0


sys.exit(main())
