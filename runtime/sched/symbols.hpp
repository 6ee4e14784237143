// Symbols: the names of functions of this process, those without external linkage too.
//
// Idea. The loader knows only what a program exports, which leaves out static functions and lambdas: most handlers. So the
// symbol table of the file is read, for each object the first time one of its addresses is asked for. Stripped objects
// have their dynamic symbols left.
//
// For reports: it reads files and allocates. One thread at a time; not signal-safe. Objects that are loaded after it was
// made are unknown to it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace reeve::sched {

class Symbols {
public:
    Symbols();

    // Of the function that an interrupted code address lies in, demangled. Without a symbol: "program+0x12ab", an address
    // for addr2line; "[libc.so.6]"; or "[generated code]".
    [[nodiscard]] std::string name_of(std::uintptr_t code);

private:
    struct Function {
        std::uint64_t begin;
        std::uint64_t end;
        std::uint32_t name;  // in `names`
    };
    struct Object {
        std::string path;
        std::string name;
        std::uintptr_t bias = 0;
        std::vector<std::pair<std::uintptr_t, std::uintptr_t>> code;  // begin and end of its executable segments
        bool is_program = false;
        bool is_read = false;
        std::vector<Function> functions;  // sorted by `begin`
        std::vector<char> names;
    };

    static void read(Object& object);

    std::vector<Object> objects_;
};

}  // namespace reeve::sched
