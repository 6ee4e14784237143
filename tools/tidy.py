#!/usr/bin/env python3
"""The project's own rules, checked in the same run as the unit tests: `tools/tidy.py [--headers] [ROOT]`.

  layers     who may include whom (see the picture in README.md)
  foreign    a third-party header appears only in the file that wraps it
  header     every header says what it is before its first include, and has #pragma once
  length     no file over 500 lines, no line over 140 characters
  leftovers  no forgotten fix-me or debug call, no tab, no space at the end of a line
  listed     every source is listed in a meson.build, and everything listed exists
  markdown   one title per Markdown file
  alone      every header compiles by itself (slow: only with --headers)

Prints one line per breach, `path:line: rule: what`, and exits with 1 when there is one.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

FOLDERS = ('runtime', 'net', 'http', 'apps', 'tests', 'tools')
LINES_MAX = 500
COLUMNS_MAX = 140

# What a file below a folder may include, most specific folder first. A name ending in / is a whole folder; PUBLIC
# stands for the headers directly in runtime/ and those in runtime/base/.
PUBLIC = ('runtime/*.hpp', 'runtime/base/')
LAYERS = (
    ('runtime/base', ('runtime/base/',)),
    ('runtime/context', ('runtime/base/', 'runtime/context/')),
    ('runtime/os', ('runtime/base/', 'runtime/os/')),
    ('runtime', ('runtime/',)),
    ('net', PUBLIC + ('net/',)),
    ('http', PUBLIC + ('net/', 'http/')),
    ('apps', PUBLIC + ('net/', 'http/', 'apps/')),
    ('tools', ('runtime/', 'net/', 'http/', 'apps/', 'tools/')),
    ('tests', ('runtime/', 'net/', 'http/', 'apps/', 'tools/', 'tests/')),
)

# The internal headers that the public ones of runtime may show (and that are installed with them).
SHOWN = ('runtime/sched/counters.hpp', 'runtime/sched/join_core.hpp', 'runtime/sched/wait_queue.hpp')

# Third-party headers and the only files that may include them.
FOREIGN = (
    (re.compile(r'boost/'), re.compile(r'runtime/context/context\.cpp')),
    (re.compile(r'liburing'), re.compile(r'runtime/os/ring\.[ch]pp|tests/bench/bare_uring\.cpp')),
    (re.compile(r'openssl/'), re.compile(r'net/tls[a-z_]*\.cpp|tests/.*')),
    (re.compile(r'llhttp'), re.compile(r'http/parser\.cpp')),
    (re.compile(r'rapidjson/'), re.compile(r'http/json[a-z_]*\.[ch]pp')),
    (re.compile(r'valgrind/'), re.compile(r'runtime/(context/stack|os/ring)\.cpp')),
    (re.compile(r'catch2/'), re.compile(r'tests/support/.*')),
    (re.compile(r'(elfutils/|libelf|gelf|dwarf\.h)'), re.compile(r'tools/prof/.*')),
)

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Put together so that this file does not break the rule it states.
LEFTOVERS = re.compile(r'FIX' r'ME|\bdbg' r'\(')


class Tidy:
    def __init__(self, root):
        self.root = root
        self.breaches = []

    def breach(self, path, line, rule, what):
        self.breaches.append(f'{path.relative_to(self.root)}:{line}: {rule}: {what}')

    def files(self, *suffixes):
        for folder in FOLDERS:
            for path in sorted((self.root / folder).rglob('*')):
                if path.suffix in suffixes and path.is_file():
                    yield path

    def run(self):
        for path in self.files('.hpp', '.cpp'):
            lines = path.read_text().split('\n')
            self.check_includes(path, lines)
            self.check_text(path, lines)
            if path.suffix == '.hpp':
                self.check_header(path, lines)
        for path in self.files('.py'):
            self.check_text(path, path.read_text().split('\n'))
        self.check_listed()
        self.check_markdown()

    def check_includes(self, path, lines):
        name = str(path.relative_to(self.root))
        allowed = next(rule[1] for rule in LAYERS if name.startswith(rule[0] + '/'))
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, target = match.groups()
            for header, owners in FOREIGN:
                if header.match(target) and not owners.fullmatch(name):
                    self.breach(path, number, 'foreign', f'{target} belongs into {owners.pattern} only')
            if quote == '"' and target.split('/')[0] in FOLDERS:
                if not any(permits(rule, target) for rule in allowed):
                    self.breach(path, number, 'layers', f'{target} is above or beside this layer')
                elif (path.suffix == '.hpp' and permits('runtime/*.hpp', name) and target not in SHOWN
                      and not any(permits(rule, target) for rule in PUBLIC)):
                    self.breach(path, number, 'layers', f'a public header shows the internal {target}')
            elif quote == '"' and not (self.root / target).exists() and '/' not in target:
                self.breach(path, number, 'layers', f'{target}: include from the root')

    def check_text(self, path, lines):
        if len(lines) - 1 > LINES_MAX:
            self.breach(path, len(lines) - 1, 'length', f'over {LINES_MAX} lines: look for the second concept')
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                self.breach(path, number, 'length', f'{len(line)} characters')
            if LEFTOVERS.search(line):
                self.breach(path, number, 'leftovers', line.strip())
            if '\t' in line or line != line.rstrip():
                self.breach(path, number, 'leftovers', 'tab or space at the end')

    def check_header(self, path, lines):
        if not lines[0].startswith('// '):
            self.breach(path, 1, 'header', 'opens with what it is, the idea, who may call it')
        if '#pragma once' not in lines:
            self.breach(path, 1, 'header', '#pragma once is missing')

    def check_listed(self):
        listed = set()
        for build in self.root.rglob('meson.build'):
            if build.parent.name.startswith('build'):
                continue
            folder = build.parent
            for number, line in enumerate(build.read_text().split('\n'), 1):
                for name in re.findall(r"'([\w./-]+\.[chp]+p)'", line):
                    # Crash programs and benchmarks are listed by their bare names.
                    places = [folder / name, folder / 'crash' / name]
                    found = [place for place in places if place.exists()]
                    listed.update(place.resolve() for place in found)
                    if not found and not name.startswith('/') and '/' not in line.split(name)[0].split("'")[-1]:
                        if 'has_header' not in line and not name.endswith('.h'):
                            self.breach(build, number, 'listed', f'{name} does not exist')
        for path in self.files('.cpp'):
            if path.resolve() not in listed:
                self.breach(path, 1, 'listed', 'is in no meson.build')

    def check_markdown(self):
        for path in [*self.root.glob('*.md'), *self.files('.md')]:
            outside_code = re.sub(r'^```.*?^```', '', path.read_text(), flags=re.M | re.S)
            titles = re.findall(r'^# ', outside_code, flags=re.M)
            if len(titles) != 1:
                self.breach(path, 1, 'markdown', f'{len(titles)} titles instead of one')

    def check_alone(self):
        flags = ['-std=c++20', '-fsyntax-only', '-Wall', '-Wextra', '-Wconversion', '-Wshadow', '-Werror']

        def compile_alone(path):
            name = path.relative_to(self.root)
            done = subprocess.run(['g++', *flags, '-I', str(self.root), '-x', 'c++', '-'],
                                  input=f'#include "{name}"\n', capture_output=True, text=True)
            if done.returncode:
                errors = [line for line in done.stderr.splitlines() if 'error' in line]
                self.breach(path, 1, 'alone', (errors or ['does not compile by itself'])[0])

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(compile_alone, self.files('.hpp')))


def permits(rule, target):
    if rule.endswith('/'):
        return target.startswith(rule)
    return re.fullmatch(rule.replace('.', r'\.').replace('*', '[^/]*'), target) is not None


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != '--headers']
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent).resolve()
    tidy = Tidy(root)
    tidy.run()
    if '--headers' in sys.argv:
        tidy.check_alone()
    print('\n'.join(sorted(tidy.breaches)) or 'tidy: nothing to report')
    return 1 if tidy.breaches else 0


if __name__ == '__main__':
    sys.exit(main())
