"""A user's program compiles and runs with what pkg-config says: against the build tree, and against an installation.

The installation goes to a temporary folder, so a public header that is not installed, or that needs an internal or a
third-party one, fails here.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ['REEVE_BUILD_ROOT'])

PROGRAM = r'''
#include <cstdio>

#include "http/http.hpp"
#include "net/net.hpp"
#include "runtime/runtime.hpp"

int main() {
    return reeve::run([] {
        reeve::Channel<int> results(16);
        for (int i = 0; i < 8; ++i) reeve::go([results, i] { (void)results.send(i * i); });
        int sum = 0;
        for (int i = 0; i < 8; ++i) sum += results.recv().value();
        reeve::http::Server server;
        std::printf("%d\n", sum);
    });
}
'''


def flags(what, **environment):
    done = subprocess.run(['pkg-config', *what, 'reeve'], capture_output=True, text=True, check=True,
                          env={**os.environ, **environment})
    return done.stdout.split()


def compile_and_run(folder, where, wanted_flags):
    source = folder / 'program.cpp'
    source.write_text(PROGRAM)
    program = folder / where
    subprocess.run(['g++', '-std=c++20', '-O1', source, '-o', program, *wanted_flags], check=True)
    output = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60).stdout
    if output != '140\n':
        sys.exit(f'{where}: the program printed {output!r}')
    print(f'{where}: works')


def main():
    options = json.loads((BUILD / 'meson-info/intro-buildoptions.json').read_text())
    sanitizer = next(option['value'] for option in options if option['name'] == 'b_sanitize')
    if sanitizer != 'none':
        print(f'built with the {sanitizer} sanitizer, which pkg-config knows nothing of')
        return 77
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        compile_and_run(folder, 'in-the-tree',
                        flags(['--cflags', '--libs'], PKG_CONFIG_PATH=str(BUILD / 'meson-uninstalled')))

        root = folder / 'root'
        subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet', '--destdir', root],
                       check=True, stdout=subprocess.DEVNULL)
        prefix = str(root) + next(option['value'] for option in options if option['name'] == 'prefix')
        compile_and_run(folder, 'installed',
                        flags([f'--define-variable=prefix={prefix}', '--cflags', '--libs'],
                              PKG_CONFIG_PATH=str(next(root.rglob('reeve.pc')).parent)))
    return 0


sys.exit(main())
