"""Machine code as objdump shows it: whom the functions of programs and archives call, and where they keep addresses that
belong to a thread.

    functions = machine_code.read([path, ...])      # name -> Function, over all files
    machine_code.that_reach(functions, {'name'})    # all that call it, directly or not

A name is the linker's. Parts that the compiler has split off (`f.cold`, `f.part.0`, `f.constprop.1`) belong to `f`; calls to
shared libraries have the name without `@plt`. Local functions of the same name in two files of an archive are merged.
"""
import re
import subprocess

HEAD = re.compile(r'^[0-9a-f]+ <([^>]+)>:$')
INSTRUCTION = re.compile(r'^\s*[0-9a-f]+:\t(?:(?:bnd|notrack|lock|rep\w*|data16|cs|ds) )*(\S+)\s*(.*)$')
RELOCATION = re.compile(r'[0-9a-f]+: R_X86_64_\S+\s+(\S+)')
TARGET = re.compile(r'<([^>]+)>')
REGISTER = re.compile(r'%(r\w+|e[a-ds]\w|[a-d][lx])$')

# Functions whose result belongs to a thread, and which compilers take for constant.
OF_THREAD = {'__errno_location', '__cxa_get_globals', '__cxa_get_globals_fast', 'pthread_self', '__tls_get_addr'}
KEPT_OVER_CALLS = {'rbx', 'rbp', 'r12', 'r13', 'r14', 'r15'}


class Function:
    def __init__(self, name):
        self.name = name
        self.calls = set()  # names, tail calls included
        self.indirect = 0   # calls through a pointer
        self.fetches = 0    # prefetches
        self.kept = []      # addresses of a thread's own data that are copied, so that they may outlive a call
        self.held = None    # while reading: the register with such an address

    def add(self, name, operands, symbol):
        """An instruction; `symbol` is what a relocation says about its target."""
        self.fetches += name.startswith('prefetch')
        if name.startswith(('call', 'j')):
            self.add_jump(name, operands, symbol)
        elif operands.split(',')[0] == '%fs:0x0':  # with a register behind it: what a thread-local contains
            self.held = operands.split('%')[-1]
            if self.held in KEPT_OVER_CALLS:
                self.kept.append(f'{name} {operands}')
        elif self.held:
            self.follow(name, operands)

    def add_jump(self, name, operands, symbol):
        target = symbol or next(iter(TARGET.findall(operands)), None)
        if target and plain(target) != self.name and not target.startswith('.'):
            self.calls.add(plain(target))
        elif operands.startswith('*') and name.startswith('call'):
            self.indirect += 1  # a jump through a register is a switch statement
        if name.startswith('call'):
            self.held = 'rax' if target and plain(target) in OF_THREAD else None
        elif name == 'jmp':
            self.held = None

    def follow(self, name, operands):
        """Copied: may be kept. Overwritten: gone. Else only read or written through."""
        source, _, last = operands.rpartition(',')
        if (source or last) == f'%{self.held}' and name.startswith(('mov', 'push', 'xchg', 'cmov', 'add', 'lea')):
            self.kept.append(f'{name} {operands}')
            self.held = None
        elif name.startswith('lea') and f'%{self.held}' in source and last != f'%{self.held}':
            self.kept.append(f'{name} {operands}')
        elif name == 'ret' or (REGISTER.match(last) and last[2:] == self.held[1:] and not name.startswith(('cmp', 'test', 'add', 'lea'))):
            self.held = None


def plain(name):
    name = re.sub(r'[-+]0x[0-9a-f]+$', '', name)
    name = re.sub(r'@.*$', '', name)
    return re.sub(r'\.(cold|part|constprop|isra|lto_priv|localalias)(\.\d+)*', '', name)


def read(paths):
    functions = {}
    for path in paths:
        # -w: a relocation follows on the line of its instruction.
        text = subprocess.run(['objdump', '-dr', '--no-show-raw-insn', '-w', path], capture_output=True, text=True, check=True).stdout
        add(functions, text)
    return functions


def add(functions, text):
    function = None
    for line in text.splitlines():
        if match := HEAD.match(line):
            # What stands in the table of a shared library's functions is no function of the program.
            name = plain(match.group(1))
            function = None if '@plt' in match.group(1) else functions.setdefault(name, Function(name))
            if function:
                function.held = None
        elif function and (match := INSTRUCTION.match(line)):
            operands, _, rest = match.group(2).partition('\t')
            relocation = RELOCATION.search(rest)
            function.add(match.group(1), TARGET.sub('', operands) if relocation else operands,
                         relocation.group(1) if relocation else None)


def that_reach(functions, names):
    reach = set(names)
    grows = True
    while grows:
        found = {name for name, function in functions.items() if name not in reach and function.calls & reach}
        reach |= found
        grows = bool(found)
    return reach


def demangle(name):
    return subprocess.run(['c++filt', name], capture_output=True, text=True, check=True).stdout.strip()
