"""No function of the project keeps the address of a thread's own data (errno, the exception state, a thread-local) over a
call that may switch to another thread: looked for in the machine code, as only the compiler knows what it keeps.

A function fails when it copies such an address (to a register that outlives calls, or to memory) and calls, directly or not,
jump_fcontext. Seen failing with Worker::switch_away() using `errno` itself on both sides of the switch: one call of
__errno_location, its result in rbx.

Also here: what prefetches is there and is called, for gcc takes a function that does nothing else for one without effects, and
drops the calls; seen failing on a program in which it had. And every program is linked with `-z now`, so that no thread is
stopped in the loader's lazy resolver; and no object of ours is marked as fit for shadow stacks, or the C library may enable
them. Seen failing when built with -fcf-protection=full.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

import machine_code

BUILD = pathlib.Path(os.environ['REEVE_BUILD_ROOT'])
ARCHIVES = ('runtime/libreeve-runtime.a', 'net/libreeve-net.a', 'http/libreeve-http.a')
PROGRAMS = ('bin/reeve-httpd', 'bin/reeve-gateway')
FETCHING = ('FetchAhead4look', 'FetchStacks10fetch_more')  # as the linker names them


def option(name):
    options = json.loads((BUILD / 'meson-info/intro-buildoptions.json').read_text())
    return next(entry['value'] for entry in options if entry['name'] == name)


def check_kept(what, paths):
    functions = machine_code.read(paths)
    if 'jump_fcontext' not in set().union(*(function.calls for function in functions.values())):
        return [f'{what}: nobody calls jump_fcontext']
    switching = machine_code.that_reach(functions, {'jump_fcontext'})
    ours = [function for name, function in functions.items() if 'reeve' in name]
    keeping = [function for function in ours if function.kept]
    if not keeping:
        return [f'{what}: nobody keeps an address, not even the handler that restores errno: the search is blind']
    print(f'{what}: {len(ours)} functions, {sum(f.name in switching for f in ours)} may switch, {len(keeping)} keep an address')
    return [f'{what}: {machine_code.demangle(function.name)} keeps an address ({"; ".join(function.kept[:3])}) and calls '
            f'{machine_code.demangle(sorted(function.calls & switching)[0])}, which may switch'
            for function in keeping if function.calls & switching]


def check_fetches(path):
    functions = machine_code.read([path])
    missing = []
    for name in FETCHING:
        found = [function for function in functions.values() if re.search(name, function.name) and function.fetches]
        if not any(found[0].name in function.calls for function in functions.values() if found):
            missing.append(f'{path}: no {name} that prefetches is called')
    return missing


def check_bound_now(path):
    text = subprocess.run(['readelf', '-dW', path], capture_output=True, text=True, check=True).stdout
    return [] if re.search(r'BIND_NOW|FLAGS_1.*NOW', text) else [f'{path}: not linked with -z now']


def check_unmarked(path):
    text = subprocess.run(['readelf', '-nW', path], capture_output=True, text=True, check=True).stdout
    return [f'{path}: marked for shadow stacks'] if 'SHSTK' in text else []


def main():
    if option('b_sanitize') != 'none':
        print('left out: built with a sanitizer, which adds thread-locals of its own')
        return 77
    breaches = []
    archives = [BUILD / name for name in ARCHIVES]
    if option('b_lto'):
        print('link-time optimisation: the archives hold no machine code, only the programs are looked at')
    elif all(archive.exists() for archive in archives):
        breaches += check_kept('libraries', archives)
        for archive in archives:
            breaches += check_unmarked(archive)
    for name in PROGRAMS:
        if (BUILD / name).exists():
            breaches += check_kept(name, [BUILD / name])
            breaches += check_fetches(BUILD / name)
            breaches += check_bound_now(BUILD / name)
            breaches += check_unmarked(BUILD / name)
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == '__main__':
    sys.exit(main())
