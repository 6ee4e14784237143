"""tidy.py finds each breach it promises to find, and nothing in a tree without one."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

CLEAN = {
    'README.md': '# Title\n\n```\n# a comment in code\n```\n',
    'runtime/meson.build': "sources = [\n    'go.cpp',\n    'base/x.cpp',\n]\n",
    'runtime/go.hpp': '// go: what it is.\n#pragma once\n#include "runtime/base/x.hpp"\n',
    'runtime/go.cpp': '#include "runtime/go.hpp"\n#include "runtime/sched/worker.hpp"\n',
    'runtime/base/x.hpp': '// x: what it is.\n#pragma once\n',
    'runtime/base/x.cpp': '#include "runtime/base/x.hpp"\n',
    'runtime/sched/worker.hpp': '// worker: what it is.\n#pragma once\n',
    'net/tcp.hpp': '// tcp: what it is.\n#pragma once\n#include "runtime/go.hpp"\n',
}

# Each: the rule that must speak, and the file that breaks it.
BREACHES = [
    ('layers', 'runtime/base/x.hpp', '// x: what it is.\n#pragma once\n#include "runtime/go.hpp"\n'),
    ('layers', 'net/tcp.hpp', '// tcp: what it is.\n#pragma once\n#include "runtime/sched/worker.hpp"\n'),
    ('layers', 'net/tcp.hpp', '// tcp: what it is.\n#pragma once\n#include "http/server.hpp"\n'),
    ('layers', 'runtime/go.hpp', '// go: what it is.\n#pragma once\n#include "runtime/sched/worker.hpp"\n'),
    ('foreign', 'net/tcp.hpp', '// tcp: what it is.\n#pragma once\n#include <openssl/ssl.h>\n'),
    ('foreign', 'runtime/go.cpp', '#include <liburing.h>\n'),
    ('header', 'net/tcp.hpp', '#pragma once\n'),
    ('header', 'net/tcp.hpp', '// tcp: what it is.\n'),
    ('length', 'runtime/go.cpp', '\n' * 501),
    ('length', 'runtime/go.cpp', '// ' + 'x' * 150 + '\n'),
    ('leftovers', 'runtime/go.cpp', '// FIX' + 'ME\n'),
    ('leftovers', 'runtime/go.cpp', 'int x; \n'),
    ('listed', 'runtime/new.cpp', ''),
    ('listed', 'runtime/meson.build', "sources = [\n    'go.cpp',\n    'base/x.cpp',\n    'gone.cpp',\n]\n"),
    ('markdown', 'README.md', '# One\n\n# Two\n'),
]


def tidy(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, ROOT / 'tools/tidy.py', folder], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


def main():
    failures = []
    status, output = tidy(CLEAN)
    if status != 0:
        failures.append(f'a clean tree is not accepted:\n{output}')
    for rule, name, text in BREACHES:
        status, output = tidy({**CLEAN, name: text})
        found = [line for line in output.splitlines() if line.startswith(name + ':') and f': {rule}: ' in line]
        if status != 1 or not found:
            failures.append(f'{rule} is silent about {name}:\n{text[:200]}\nit says:\n{output}')
    print('\n'.join(failures) or f'{len(BREACHES)} breaches found')
    return 1 if failures else 0


sys.exit(main())
