#include "tools/prof/unwinder.hpp"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

namespace reeve::prof {
namespace {

// Deeper recursion is cut: it says nothing more.
constexpr std::size_t k_frames_max = 512;

struct Range {
    std::uint64_t start;
    std::uint64_t end;
};

bool is_fiber_entry(std::string_view symbol) {
    return symbol == "reeve_fiber_entry" || symbol.starts_with("_ZN5reeve5sched11fiber_entryE");
}

std::string demangled(const char* symbol) {
    int status = 0;
    char* text = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
    std::string name = status == 0 ? text : symbol;
    std::free(text);
    return name;
}

std::string base_name(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

// Reading the symbols of every library costs memory and time; the runtime is linked into the program or is a
// library of its own.
bool may_hold_runtime(const char* module) {
    const std::string file = base_name(module);
    return !file.starts_with("lib") || file.starts_with("libreeve");
}

}  // namespace

struct Unwinder::Impl {
    pid_t pid;
    Dwfl* dwfl = nullptr;
    std::string error;
    std::vector<Range> entries;
    const Snapshot* current = nullptr;

    void report();
    [[nodiscard]] bool is_entry(std::uint64_t address) const;
    [[nodiscard]] std::optional<std::uint64_t> read_word(std::uint64_t address) const;
    void add_inlined(Dwfl_Module* module, std::uint64_t address, std::vector<std::string>& names) const;

    static int find_entry(Dwfl_Module* module, void**, const char*, Dwarf_Addr, void* self);
    static int add_frame(Dwfl_Frame* frame, void* walk);

    struct Walk {
        const Impl* unwinder;
        Stack stack;
    };
};

int Unwinder::Impl::find_entry(Dwfl_Module* module, void**, const char* name, Dwarf_Addr, void* self) {
    if (!may_hold_runtime(name)) return DWARF_CB_OK;
    const int symbols = dwfl_module_getsymtab(module);
    for (int i = 0; i < symbols; ++i) {
        GElf_Sym symbol;
        GElf_Addr address;
        const char* text = dwfl_module_getsym_info(module, i, &symbol, &address, nullptr, nullptr, nullptr);
        if (text != nullptr && is_fiber_entry(text) && symbol.st_size > 0)
            static_cast<Impl*>(self)->entries.push_back({address, address + symbol.st_size});
    }
    return DWARF_CB_OK;
}

void Unwinder::Impl::report() {
    dwfl_report_begin_add(dwfl);
    const int result = dwfl_linux_proc_report(dwfl, pid);
    dwfl_report_end(dwfl, nullptr, nullptr);
    if (result > 0) error = std::strerror(result);
    if (result < 0) error = dwfl_errmsg(-1);
    entries.clear();
    dwfl_getmodules(dwfl, find_entry, this, 0);
}

bool Unwinder::Impl::is_entry(std::uint64_t address) const {
    for (const Range& range : entries)
        if (address >= range.start && address < range.end) return true;
    return false;
}

std::optional<std::uint64_t> Unwinder::Impl::read_word(std::uint64_t address) const {
    std::uint64_t word = 0;
    const std::uint64_t offset = address - current->stack_start;
    if (address >= current->stack_start && offset + sizeof word <= current->stack.size()) {
        std::memcpy(&word, current->stack.data() + offset, sizeof word);
        return word;
    }
    const auto into = std::as_writable_bytes(std::span(&word, 1));
    return read_memory(pid, address, into) == sizeof word ? std::optional(word) : std::nullopt;
}

int Unwinder::Impl::add_frame(Dwfl_Frame* frame, void* argument) {
    auto& [unwinder, stack] = *static_cast<Walk*>(argument);
    Dwarf_Addr address = 0;
    bool is_interrupted = false;
    if (!dwfl_frame_pc(frame, &address, &is_interrupted)) return DWARF_CB_ABORT;
    // A return address may already belong to the next function (the call was the last instruction).
    stack.addresses.push_back(is_interrupted ? address : address - 1);
    stack.in_fiber = unwinder->is_entry(stack.addresses.back());
    return stack.in_fiber || stack.addresses.size() == k_frames_max ? DWARF_CB_ABORT : DWARF_CB_OK;
}

Unwinder::Unwinder(pid_t pid) : impl_(std::make_unique<Impl>()) {
    static const Dwfl_Callbacks k_files{
        .find_elf = dwfl_linux_proc_find_elf,
        .find_debuginfo = dwfl_standard_find_debuginfo,
        .section_address = nullptr,
        .debuginfo_path = nullptr,
    };
    static const Dwfl_Thread_Callbacks k_threads{
        .next_thread = [](Dwfl*, void*, void**) -> pid_t { return 0; },
        .get_thread =
            [](Dwfl*, pid_t, void* self, void** thread) {
                *thread = self;
                return true;
            },
        .memory_read =
            [](Dwfl*, Dwarf_Addr address, Dwarf_Word* word, void* self) {
                const auto found = static_cast<Impl*>(self)->read_word(address);
                *word = found.value_or(0);
                return found.has_value();
            },
        .set_initial_registers =
            [](Dwfl_Thread* thread, void* self) {
                const auto& registers = static_cast<Impl*>(self)->current->registers;
                return dwfl_thread_state_registers(thread, 0, k_register_count, registers.data());
            },
        .detach = nullptr,
        .thread_detach = nullptr,
    };
    impl_->pid = pid;
    impl_->dwfl = dwfl_begin(&k_files);
    impl_->report();
    if (impl_->error.empty() && !dwfl_attach_state(impl_->dwfl, nullptr, pid, &k_threads, impl_.get()))
        impl_->error = dwfl_errmsg(-1);
}

Unwinder::~Unwinder() { dwfl_end(impl_->dwfl); }

std::string Unwinder::error() const { return impl_->error; }

void Unwinder::refresh() { impl_->report(); }

Stack Unwinder::unwind(const Snapshot& snapshot) {
    impl_->current = &snapshot;
    Impl::Walk walk{impl_.get(), {}};
    const int result = dwfl_getthread_frames(impl_->dwfl, snapshot.tid, Impl::add_frame, &walk);
    walk.stack.complete = walk.stack.in_fiber || result == 0;
    return std::move(walk.stack);
}

std::optional<std::uint64_t> Unwinder::find_variable(std::string_view wanted) const {
    struct Search {
        std::string_view wanted;
        std::optional<std::uint64_t> found;
    } search{wanted, std::nullopt};
    const auto look = [](Dwfl_Module* module, void**, const char* name, Dwarf_Addr, void* raw) -> int {
        auto& [symbol_name, found] = *static_cast<Search*>(raw);
        if (!may_hold_runtime(name)) return DWARF_CB_OK;
        const int symbols = dwfl_module_getsymtab(module);
        for (int i = 0; i < symbols; ++i) {
            GElf_Sym symbol;
            GElf_Addr address;
            const char* text = dwfl_module_getsym_info(module, i, &symbol, &address, nullptr, nullptr, nullptr);
            if (text == nullptr || text != symbol_name || symbol.st_shndx == SHN_UNDEF) continue;
            found = address;
            return DWARF_CB_ABORT;
        }
        return DWARF_CB_OK;
    };
    dwfl_getmodules(impl_->dwfl, look, &search, 0);
    return search.found;
}

void Unwinder::Impl::add_inlined(Dwfl_Module* module, std::uint64_t address,
                                 std::vector<std::string>& names) const {
    Dwarf_Addr bias = 0;
    Dwarf_Die* unit = dwfl_module_addrdie(module, address, &bias);
    if (unit == nullptr) return;
    Dwarf_Die* innermost = nullptr;
    if (dwarf_getscopes(unit, address - bias, &innermost) <= 0) return;
    // The scopes by address continue in the abstract definition; those by entry continue in the caller.
    Dwarf_Die* scopes = nullptr;
    const int count = dwarf_getscopes_die(innermost, &scopes);
    std::free(innermost);
    for (int i = 0; i < count && dwarf_tag(&scopes[i]) != DW_TAG_subprogram; ++i) {
        if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine) continue;
        Dwarf_Attribute attribute;
        const char* symbol = nullptr;
        if (dwarf_attr_integrate(&scopes[i], DW_AT_linkage_name, &attribute) != nullptr)
            symbol = dwarf_formstring(&attribute);
        if (symbol == nullptr) symbol = dwarf_diename(&scopes[i]);
        if (symbol != nullptr) names.push_back(demangled(symbol));
    }
    if (count > 0) std::free(scopes);
}

std::vector<std::string> Unwinder::name(std::uint64_t address, bool inlines) const {
    std::vector<std::string> names;
    Dwfl_Module* module = dwfl_addrmodule(impl_->dwfl, address);
    if (module == nullptr) return {"[unknown]"};
    if (inlines) impl_->add_inlined(module, address, names);
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char* text = dwfl_module_addrinfo(module, address, &offset, &symbol, nullptr, nullptr, nullptr);
    if (text != nullptr) {
        names.push_back(demangled(text));
    } else {
        const char* file =
            dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
        names.push_back("[" + base_name(file) + "]");
    }
    return names;
}

}  // namespace reeve::prof
