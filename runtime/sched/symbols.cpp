#include "runtime/sched/symbols.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reeve::sched {
namespace {

class File {
public:
    explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        struct stat status {};
        if (fd_ >= 0 && ::fstat(fd_, &status) == 0) size_ = static_cast<std::uint64_t>(status.st_size);
    }
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    // `count` values from `offset` on; none when the file does not have them all.
    template <class T>
    [[nodiscard]] std::vector<T> read(std::uint64_t offset, std::uint64_t count) const {
        if (offset > size_ || count > (size_ - offset) / sizeof(T)) return {};
        std::vector<T> values(count);
        std::size_t done = 0;
        while (done < count * sizeof(T)) {
            const ssize_t got = ::pread(fd_, reinterpret_cast<char*>(values.data()) + done, count * sizeof(T) - done,
                                        static_cast<off_t>(offset + done));
            if (got <= 0) return {};
            done += static_cast<std::size_t>(got);
        }
        return values;
    }

private:
    int fd_;
    std::uint64_t size_ = 0;
};

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string path_of_program() {
    std::array<char, 1024> path{};
    const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
    return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : "program";
}

std::string demangled(const char* symbol) {
    int status = 0;
    char* text = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
    std::string name = text ? text : symbol;
    std::free(text);
    return name;
}

std::string hex(std::uintptr_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "0x%zx", static_cast<std::size_t>(value));
    return digits;
}

}  // namespace

Symbols::Symbols() {
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* raw) {
            auto& objects = *static_cast<std::vector<Object>*>(raw);
            Object object;
            object.is_program = objects.empty();  // the loader names it first, and calls it ""
            object.path = object.is_program ? "/proc/self/exe" : info->dlpi_name;
            object.name = base_name(object.is_program ? path_of_program() : object.path);
            object.bias = info->dlpi_addr;
            for (int i = 0; i < info->dlpi_phnum; ++i) {
                const auto& segment = info->dlpi_phdr[i];
                if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
                const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
                object.code.emplace_back(begin, begin + segment.p_memsz);
            }
            objects.push_back(std::move(object));
            return 0;
        },
        &objects_);
}

void Symbols::read(Object& object) {
    object.is_read = true;
    const File file(object.path);
    const auto headers = file.read<Elf64_Ehdr>(0, 1);
    if (headers.empty() || std::memcmp(headers[0].e_ident, ELFMAG, SELFMAG) != 0 ||
        headers[0].e_ident[EI_CLASS] != ELFCLASS64 || headers[0].e_shentsize != sizeof(Elf64_Shdr))
        return;
    const auto sections = file.read<Elf64_Shdr>(headers[0].e_shoff, headers[0].e_shnum);
    const auto of_type = [&](unsigned type) {
        return std::find_if(sections.begin(), sections.end(), [type](const Elf64_Shdr& one) { return one.sh_type == type; });
    };
    auto table = of_type(SHT_SYMTAB);
    if (table == sections.end()) table = of_type(SHT_DYNSYM);
    if (table == sections.end() || table->sh_link >= sections.size()) return;
    const Elf64_Shdr& strings = sections[table->sh_link];
    object.names = file.read<char>(strings.sh_offset, strings.sh_size);
    if (object.names.empty() || object.names.back() != '\0') return;
    for (const Elf64_Sym& symbol : file.read<Elf64_Sym>(table->sh_offset, table->sh_size / sizeof(Elf64_Sym))) {
        const auto type = ELF64_ST_TYPE(symbol.st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF || symbol.st_size == 0 ||
            symbol.st_name >= object.names.size())
            continue;
        object.functions.push_back({symbol.st_value, symbol.st_value + symbol.st_size, symbol.st_name});
    }
    std::sort(object.functions.begin(), object.functions.end(),
              [](const Function& a, const Function& b) { return a.begin < b.begin; });
}

std::string Symbols::name_of(std::uintptr_t code) {
    const auto owner = std::find_if(objects_.begin(), objects_.end(), [code](const Object& object) {
        return std::any_of(object.code.begin(), object.code.end(),
                           [code](const auto& range) { return code >= range.first && code < range.second; });
    });
    if (owner == objects_.end()) return "[generated code]";
    Object& object = *owner;
    if (!object.is_read) read(object);
    const std::uint64_t address = code - object.bias;
    const auto after = std::upper_bound(object.functions.begin(), object.functions.end(), address,
                                        [](std::uint64_t wanted, const Function& one) { return wanted < one.begin; });
    if (after != object.functions.begin() && address < std::prev(after)->end)
        return demangled(object.names.data() + std::prev(after)->name);
    return object.is_program ? object.name + "+" + hex(address) : "[" + object.name + "]";
}

}  // namespace reeve::sched
