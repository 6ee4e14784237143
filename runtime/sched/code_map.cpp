#include "runtime/sched/code_map.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/auxv.h>
#include <unistd.h>

namespace reeve::sched::code_map {
namespace {

struct Range {
    std::atomic<std::uintptr_t> begin;
    std::atomic<std::uintptr_t> end;
    std::atomic<Kind> kind;
};

// There are two, and the older one is written anew. Who reads it and was held up since it was the newest notices by `version`,
// which is odd meanwhile: all that follows is stored with release and loaded with acquire, so who sees any of it sees that.
struct Map {
    std::atomic<std::uint32_t> version;
    std::array<Range, 1024> ranges;  // ascending; what does not fit is unknown code
    std::atomic<std::size_t> count;
};

Map s_maps[2];
std::atomic<const Map*> s_newest{nullptr};
std::atomic<bool> s_is_stale{false};

// A line: "begin-end perms offset device inode      path", numbers in hexadecimal.
struct Line {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    bool is_executable = false;
    std::string_view path;
};

std::uintptr_t take_hex(std::string_view& text) {
    std::uintptr_t value = 0;
    while (!text.empty()) {
        const char digit = text.front();
        const int number = digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
        text.remove_prefix(1);
        if (number < 0) break;
        value = value * 16 + static_cast<std::uintptr_t>(number);
    }
    return value;
}

Line parse(std::string_view text) {
    Line line;
    line.begin = take_hex(text);
    line.end = take_hex(text);
    line.is_executable = text.size() > 2 && text[2] == 'x';
    if (const auto path = text.find_first_of("/["); path != std::string_view::npos) line.path = text.substr(path);
    return line;
}

// Calls `visit` with each line of the file.
template <class Visitor>
bool for_each_line(Visitor visit) {
    const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    char buffer[8192];
    std::size_t filled = 0;
    for (;;) {
        const ssize_t bytes = read(fd, buffer + filled, sizeof buffer - filled);
        if (bytes <= 0) break;
        filled += static_cast<std::size_t>(bytes);
        std::string_view rest(buffer, filled);
        for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
            visit(parse(rest.substr(0, end)));
            rest.remove_prefix(end + 1);
        }
        filled = rest.size();
        memmove(buffer, rest.data(), filled);
        if (filled == sizeof buffer) filled = 0;  // a path longer than any
    }
    close(fd);
    return true;
}

}  // namespace

Kind kind_of(std::uintptr_t address) {
    const Map* map = s_newest.load(std::memory_order_acquire);
    if (!map) return Kind::unknown;
    const std::uint32_t version = map->version.load(std::memory_order_acquire);
    const Range* first = map->ranges.data();
    const Range* last = first + map->count.load(std::memory_order_acquire);
    const Range* found = std::partition_point(
        first, last, [=](const Range& range) { return range.end.load(std::memory_order_acquire) <= address; });
    if (found == last || found->begin.load(std::memory_order_acquire) > address) return Kind::unknown;
    const Kind kind = found->kind.load(std::memory_order_acquire);
    return version % 2 == 0 && map->version.load(std::memory_order_relaxed) == version ? kind : Kind::unknown;
}

bool is_system_call(std::uintptr_t address) {
    const Kind kind = kind_of(address);
    const auto* bytes = reinterpret_cast<const unsigned char*>(address);
    return (kind == Kind::program || kind == Kind::library) && bytes[0] == 0x0f && bytes[1] == 0x05;
}

void refresh() {
    s_is_stale.store(false, std::memory_order_relaxed);
    // The program is the file with the entry point; its pieces lie together.
    const std::uintptr_t entry = getauxval(AT_ENTRY);
    char program[4096] = "";
    for_each_line([&](const Line& line) {
        if (line.begin <= entry && entry < line.end && line.path.size() < sizeof program)
            program[line.path.copy(program, line.path.size())] = '\0';
    });
    Map& next = s_newest.load(std::memory_order_acquire) == &s_maps[0] ? s_maps[1] : s_maps[0];
    const std::uint32_t version = next.version.load(std::memory_order_relaxed);
    next.version.store(version + 1, std::memory_order_relaxed);
    std::size_t count = 0;
    const bool is_read = for_each_line([&](const Line& line) {
        if (!line.is_executable || count == next.ranges.size()) return;
        const Kind kind = line.path == program ? Kind::program : line.path.starts_with('/') ? Kind::library : Kind::generated;
        Range& range = next.ranges[count++];
        range.begin.store(line.begin, std::memory_order_release);
        range.end.store(line.end, std::memory_order_release);
        range.kind.store(kind, std::memory_order_release);
    });
    next.count.store(count, std::memory_order_release);
    next.version.store(version + 2, std::memory_order_release);
    if (is_read) s_newest.store(&next, std::memory_order_release);
}

void note_unknown() { s_is_stale.store(true, std::memory_order_relaxed); }

bool is_stale() { return s_is_stale.load(std::memory_order_relaxed); }

}  // namespace reeve::sched::code_map
