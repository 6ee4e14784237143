"""What the preemption handler may call, directly or not: the code it interrupts may hold any lock of any library, so nothing
that locks, allocates or is a part of the C++ library; of the runtime itself whatever obeys that rule, too.

Looked for in a finished program, from on_preempt on. Calls through pointers stand in on_preempt only (the handler that was
installed before). fatal() is where the process ends: what it calls does not matter.

Seen failing when a thread that waits for a processor looked for idle ones itself instead of leaving that to the monitor:
clock_nanosleep, sched_yield and write.
"""
import json
import os
import pathlib
import re
import sys

import machine_code

BUILD = pathlib.Path(os.environ['REEVE_BUILD_ROOT'])
PROGRAM = BUILD / 'bin/reeve-httpd'
HANDLER = re.compile(r'^_ZN5reeve5sched\d*_GLOBAL__N_\d*on_preempt')
CHAINING = 2  # calls in the handler: one for each kind of handler that may have been there before

# Of the C library: without a lock and without state of its own. memcpy and the like are what the compiler makes of plain
# assignments.
ALLOWED = {'syscall', '__errno_location', 'clock_gettime', '__stack_chk_fail', 'memcpy', 'memset', 'memmove', 'memcmp'}
ENDS_THE_PROCESS = {'_ZN5reeve5fatalEPKcz', 'abort'}


def main():
    options = json.loads((BUILD / 'meson-info/intro-buildoptions.json').read_text())
    if next(option['value'] for option in options if option['name'] == 'b_sanitize') != 'none':
        print('left out: built with a sanitizer, whose calls are everywhere')
        return 77
    functions = machine_code.read([PROGRAM])
    start = [name for name in functions if HANDLER.match(name)]
    if len(start) != 1:
        print(f'{PROGRAM}: no handler found, or more than one: {start}')
        return 1
    came_from = {start[0]: None}
    waiting = [start[0]]
    breaches = []
    while waiting:
        name = waiting.pop()
        function = functions.get(name)
        if name in ENDS_THE_PROCESS or function is None:
            continue
        if function.indirect > (CHAINING if name == start[0] else 0):
            breaches.append((name, f'{function.indirect} calls through pointers'))
        for called in sorted(function.calls - came_from.keys()):
            came_from[called] = name
            waiting.append(called)
            if called not in functions and called not in ALLOWED | ENDS_THE_PROCESS:
                breaches.append((called, 'is not on the list'))
            elif called in functions and 'reeve' not in called and called not in ALLOWED:
                breaches.append((called, 'is no function of the runtime'))
    for name, what in breaches:
        path = []
        while name:
            path.append(machine_code.demangle(name))
            name = came_from[name]
        print(f'{path[0]}: {what}; called by {" <- ".join(path[1:]) or "nobody"}')
    ours = [name for name in came_from if name in functions]
    print(f'{len(ours)} functions of the runtime, and {", ".join(sorted(came_from.keys() - functions.keys()))}')
    return 1 if breaches else 0


if __name__ == '__main__':
    sys.exit(main())
