#include "runtime/file.hpp"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/blocking.hpp"
#include "runtime/go.hpp"
#include "runtime/os/ring.hpp"
#include "runtime/os/system_call.hpp"
#include "runtime/sched/thread_io.hpp"

namespace reeve {
namespace {

constexpr unsigned k_info_mask = STATX_BASIC_STATS;

Error error_of(long result, const char* operation) {
    if (result == -ETIME) return Error(Errc::timed_out, operation);
    return Error::from_errno(static_cast<int>(-result), operation);
}

Result<void> perform(const os::Request& request, Deadline deadline, const char* operation) {
    if (const long result = sched::perform_anywhere(request, deadline, operation); result < 0) return error_of(result, operation);
    return {};
}

std::uint32_t length_of(std::size_t bytes) {
    constexpr std::size_t k_most = 1 << 30;  // the kernel's own limit for one call is a little above
    return static_cast<std::uint32_t>(std::min(bytes, k_most));
}

FileType type_of(unsigned mode) {
    switch (mode & S_IFMT) {
        case S_IFREG: return FileType::regular;
        case S_IFDIR: return FileType::directory;
        case S_IFLNK: return FileType::symlink;
        case S_IFIFO: return FileType::fifo;
        case S_IFSOCK: return FileType::socket;
        case S_IFCHR: return FileType::character_device;
        case S_IFBLK: return FileType::block_device;
        default: return FileType::unknown;
    }
}

FileInfo info_from(const struct statx& answer) {
    return {.type = type_of(answer.stx_mode),
            .mode = answer.stx_mode & 07777U,
            .size = answer.stx_size,
            .modified_ns = answer.stx_mtime.tv_sec * 1'000'000'000 + answer.stx_mtime.tv_nsec,
            .inode = answer.stx_ino,
            .links = answer.stx_nlink,
            .owner = answer.stx_uid,
            .group = answer.stx_gid};
}

Result<FileInfo> info_at(const std::string& path, std::uint32_t flags, Deadline deadline) {
    struct statx answer {};
    const auto result = perform({.opcode = os::Opcode::stat, .fd = AT_FDCWD, .address = path.c_str(), .length = k_info_mask,
                                 .flags = flags, .second = &answer}, deadline, "stat");
    if (!result) return result.error();
    return info_from(answer);
}

// Blocks the OS thread.
Result<std::vector<DirectoryEntry>> read_directory(const std::string& path) {
    const int number = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (number < 0) return Error::from_errno(errno, "open directory");
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(number), ::closedir);
    if (!directory) {
        const Error error = Error::from_errno(errno, "open directory");
        ::close(number);
        return error;
    }
    std::vector<DirectoryEntry> entries;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(directory.get());
        if (!entry) break;
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..")
            entries.push_back({std::string(name), type_of(static_cast<unsigned>(DTTOIF(entry->d_type)))});
    }
    if (errno != 0) return Error::from_errno(errno, "read directory");
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
}

}  // namespace

Result<File> File::open(const std::string& path, int flags, unsigned mode, Deadline deadline) {
    const os::Request request{.opcode = os::Opcode::open, .fd = AT_FDCWD, .address = path.c_str(), .length = mode,
                              .flags = static_cast<std::uint32_t>(flags | O_CLOEXEC)};
    const long result = sched::perform_anywhere(request, deadline, "open");
    if (result < 0) return error_of(result, "open");
    return File(static_cast<int>(result));
}

Result<File> File::open(const std::string& path) { return open(path, O_RDONLY); }

Result<File> File::create(const std::string& path, unsigned mode, Deadline deadline) {
    return open(path, O_RDWR | O_CREAT | O_TRUNC, mode, deadline);
}

Result<std::size_t> File::read(std::span<std::byte> into, Deadline deadline) { return fd_.read(into, deadline); }

Result<std::size_t> File::write(std::span<const std::byte> from, Deadline deadline) { return fd_.write(from, deadline); }

Result<std::size_t> File::read_at(std::span<std::byte> into, std::uint64_t offset, Deadline deadline) {
    auto result = fd_.transfer({.opcode = os::Opcode::read, .fd = fd_.get(), .address = into.data(),
                                .length = length_of(into.size()), .offset = offset}, deadline, "read_at");
    if (result && *result == 0 && !into.empty()) return Error(Errc::eof, "read_at");
    return result;
}

Result<std::size_t> File::write_at(std::span<const std::byte> from, std::uint64_t offset, Deadline deadline) {
    return fd_.transfer({.opcode = os::Opcode::write, .fd = fd_.get(), .address = from.data(),
                         .length = length_of(from.size()), .offset = offset}, deadline, "write_at");
}

Result<std::string> File::read_all(std::size_t at_most, Deadline deadline) {
    constexpr std::size_t k_first = 64 * 1024;
    constexpr std::size_t k_largest = 4 * 1024 * 1024;
    std::string text;
    std::size_t step = k_first;
    for (;;) {
        const std::size_t before = text.size();
        text.resize(before + step);
        const auto count = fd_.read(std::as_writable_bytes(std::span(text).subspan(before)), deadline);
        text.resize(before + (count ? *count : 0));
        if (!count && count.error() == Errc::eof) return text;
        if (!count) return count.error();
        if (text.size() > at_most) return Error(Errc::too_large, "read_all");
        step = std::min(2 * step, k_largest);
    }
}

Transfer File::write_all(std::span<const std::byte> from, Deadline deadline) {
    std::size_t moved = 0;
    while (moved < from.size()) {
        const auto count = fd_.write(from.subspan(moved), deadline);
        if (!count) return {moved, count.error()};
        moved += *count;
    }
    return {moved, {}};
}

Transfer File::write_all(std::string_view text, Deadline deadline) {
    return write_all(std::as_bytes(std::span(text)), deadline);
}

Result<void> File::sync(Deadline deadline) {
    auto result = fd_.transfer({.opcode = os::Opcode::sync, .fd = fd_.get()}, deadline, "fsync");
    if (!result) return result.error();
    return {};
}

Result<void> File::sync_data(Deadline deadline) {
    auto result = fd_.transfer({.opcode = os::Opcode::sync, .fd = fd_.get(), .flags = 1}, deadline, "fdatasync");
    if (!result) return result.error();
    return {};
}

Result<FileInfo> File::info(Deadline deadline) {
    struct statx answer {};
    auto result = fd_.transfer({.opcode = os::Opcode::stat, .fd = fd_.get(), .address = "", .length = k_info_mask,
                                .flags = AT_EMPTY_PATH, .second = &answer}, deadline, "stat");
    if (!result) return result.error();
    return info_from(answer);
}

Result<void> File::truncate(std::uint64_t size, Deadline deadline) {
    auto result = fd_.transfer({.opcode = os::Opcode::truncate, .fd = fd_.get(), .offset = size}, deadline, "truncate");
    if (!result) return result.error();
    return {};
}

// --- by path ----------------------------------------------------------------------------------------------------------

Result<std::string> File::read_file(const std::string& path, std::size_t at_most, Deadline deadline) {
    Result<File> file = open(path, O_RDONLY, 0, deadline);
    if (!file) return file.error();
    return file->read_all(at_most, deadline);
}

Result<void> File::write_file(const std::string& path, std::string_view text, Deadline deadline) {
    Result<File> file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666, deadline);
    if (!file) return file.error();
    return file->write_all(text, deadline).result;
}

Result<FileInfo> File::info_of(const std::string& path, Deadline deadline) { return info_at(path, 0, deadline); }

Result<FileInfo> File::link_info_of(const std::string& path, Deadline deadline) {
    return info_at(path, AT_SYMLINK_NOFOLLOW, deadline);
}

Result<void> File::remove(const std::string& path, Deadline deadline) {
    return perform({.opcode = os::Opcode::unlink, .fd = AT_FDCWD, .address = path.c_str()}, deadline, "remove");
}

Result<void> File::remove_directory(const std::string& path, Deadline deadline) {
    return perform({.opcode = os::Opcode::unlink, .fd = AT_FDCWD, .address = path.c_str(), .flags = AT_REMOVEDIR}, deadline,
                   "remove directory");
}

Result<void> File::rename(const std::string& from, const std::string& to, Deadline deadline) {
    return perform({.opcode = os::Opcode::rename, .fd = AT_FDCWD, .address = from.c_str(),
                    .second = const_cast<char*>(to.c_str())}, deadline, "rename");
}

Result<void> File::make_directory(const std::string& path, unsigned mode, Deadline deadline) {
    return perform({.opcode = os::Opcode::make_directory, .fd = AT_FDCWD, .address = path.c_str(), .length = mode}, deadline,
                   "make directory");
}

Result<std::vector<DirectoryEntry>> File::list(const std::string& path, Deadline deadline) {
    return try_blocking([&] { return read_directory(path); }, deadline);
}

}  // namespace reeve
