"""Under valgrind a program with fibers runs to its end, and memcheck has nothing to say: it knows the fibers' stacks.

Seen failing without the stacks registered ("client switching stacks?", invalid reads), and with a wait in io_uring_enter,
during which valgrind (3.19) stops all other threads: no end.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

BUILD = pathlib.Path(os.environ['REEVE_BUILD_ROOT'])
LIMIT_S = 120


def main():
    options = json.loads((BUILD / 'meson-info/intro-buildoptions.json').read_text())
    if next(option['value'] for option in options if option['name'] == 'b_sanitize') != 'none':
        print('left out: built with a sanitizer, which does not run under valgrind')
        return 77
    if not shutil.which('valgrind'):
        print('left out: valgrind is missing; on Debian: apt-get install valgrind')
        return 77
    if not pathlib.Path('/usr/include/valgrind/valgrind.h').exists():
        print('left out: built without valgrind.h; on Debian: apt-get install valgrind')
        return 77
    command = ['valgrind', '--error-exitcode=9', '--fair-sched=try', BUILD / 'tests/crash-valgrind_program']
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        try:
            output = child.communicate(timeout=LIMIT_S)[0]
        except subprocess.TimeoutExpired:
            child.kill()  # it does not hear SIGTERM while a system call holds it up
            output = child.communicate()[0] + f'\nno end after {LIMIT_S} s'
    print(output)
    is_well = child.returncode == 0 and 'all well' in output and 'switching stacks' not in output
    return 0 if is_well else 1


if __name__ == '__main__':
    sys.exit(main())
