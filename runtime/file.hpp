// File: files and directories in blocking style; the calling fiber parks, its thread and processor serve others.
//
// Idea. Go's os.File on io_uring: one call is one kernel request. What the page cache has is done at once, the rest by threads
// of the kernel's own (where io_uring is refused: the runtime's). Flags and modes are POSIX's (<fcntl.h>), every descriptor is
// close-on-exec, offsets and sizes are bytes. Listing a directory, which io_uring cannot do, runs in blocking().
//
// Every call may park but the constructors, close(), fd() and is_open(). Plain threads block; before run(), too. Not signal-safe.
//
// Errors: not_found (no such file), eof (nothing left to read), timed_out, cancelled, closed, or os with the errno: EACCES,
// EEXIST, ENOSPC (the disk is full), EISDIR ...; Error::text() says it in words. A pipe that nobody reads is the error reset,
// without SIGPIPE.
//
// Deadlines and cancellation. What waits for somebody else (opening or reading a FIFO, a terminal) ends at once. A request on a
// regular file that the kernel has begun cannot be taken back: the call then waits for it, for as long as the disk takes, and
// returns what it did. So no buffer is read or written by the kernel after a call has returned, whatever the outcome. A plain
// thread's requests on regular files, and its opening of a FIFO, ignore deadlines altogether.
//
// I1  close() ends what waits in other fibers with Errc::closed; the descriptor's number is given back when the last call on it
//     has left. Concurrent calls are safe; read() and write() then share one position, as POSIX has it: use read_at, write_at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/fd.hpp"

namespace reeve {

enum class FileType : std::uint8_t { unknown, regular, directory, symlink, fifo, socket, character_device, block_device };

struct FileInfo {
    FileType type = FileType::unknown;
    std::uint32_t mode = 0;         // permissions: the lower twelve bits
    std::uint64_t size = 0;         // bytes
    std::int64_t modified_ns = 0;   // since the epoch
    std::uint64_t inode = 0;
    std::uint32_t links = 0;
    std::uint32_t owner = 0;
    std::uint32_t group = 0;
};

struct DirectoryEntry {
    std::string name;
    FileType type;  // unknown where the file system does not tell
};

class File {
public:
    File() = default;  // closed
    File(File&&) noexcept = default;  // before it is shared: no call may be in flight
    File& operator=(File&&) noexcept = default;

    // `flags`: O_RDONLY, O_RDWR | O_CREAT ...; `mode`: of a file that is made, less the process's umask.
    static Result<File> open(const std::string& path, int flags, unsigned mode = 0666, Deadline deadline = {});
    static Result<File> open(const std::string& path);    // for reading
    static Result<File> create(const std::string& path, unsigned mode = 0666, Deadline deadline = {});  // empty; for both

    // One operation each, which may move fewer bytes than asked. At the end of the file reading is Errc::eof.
    Result<std::size_t> read(std::span<std::byte> into, Deadline deadline = {});
    Result<std::size_t> write(std::span<const std::byte> from, Deadline deadline = {});
    Result<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset, Deadline deadline = {});
    Result<std::size_t> write_at(std::span<const std::byte> from, std::uint64_t offset, Deadline deadline = {});

    // All of it, from the current position. Longer than `at_most` bytes is the error too_large.
    Result<std::string> read_all(std::size_t at_most = k_unlimited, Deadline deadline = {});
    Transfer write_all(std::span<const std::byte> from, Deadline deadline = {});
    Transfer write_all(std::string_view text, Deadline deadline = {});

    // On the disk when it returns.
    Result<void> sync(Deadline deadline = {});
    Result<void> sync_data(Deadline deadline = {});  // without the times
    Result<FileInfo> info(Deadline deadline = {});
    // Cuts off, or fills up with zeros.
    Result<void> truncate(std::uint64_t size, Deadline deadline = {});

    void close() { fd_.close(); }
    [[nodiscard]] bool is_open() const { return fd_.is_open(); }
    // What it stands on: to poll, to pass on.
    [[nodiscard]] Fd& fd() { return fd_; }

    // --- by path
    static Result<std::string> read_file(const std::string& path, std::size_t at_most = k_unlimited, Deadline deadline = {});
    static Result<void> write_file(const std::string& path, std::string_view text, Deadline deadline = {});
    static Result<FileInfo> info_of(const std::string& path, Deadline deadline = {});       // of what a symlink points to
    static Result<FileInfo> link_info_of(const std::string& path, Deadline deadline = {});  // of the link itself
    static Result<void> remove(const std::string& path, Deadline deadline = {});
    static Result<void> remove_directory(const std::string& path, Deadline deadline = {});
    static Result<void> rename(const std::string& from, const std::string& to, Deadline deadline = {});  // replaces `to`
    static Result<void> make_directory(const std::string& path, unsigned mode = 0777, Deadline deadline = {});
    // Sorted by name, without "." and "..". The deadline is looked at before only.
    static Result<std::vector<DirectoryEntry>> list(const std::string& path, Deadline deadline = {});

    static constexpr std::size_t k_unlimited = ~std::size_t{0};

private:
    explicit File(int number) : fd_(number) {}

    Fd fd_;
};

}  // namespace reeve
