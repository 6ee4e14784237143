// File: reading and writing through the ring, errors with their reasons, deadlines and close on what waits.
#include "runtime/file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "runtime/os/system_call.hpp"
#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::Errc;
using reeve::File;
using reeve::FileType;

namespace {

// A directory of its own, removed with what is directly in it.
class Folder {
public:
    Folder() {
        std::string pattern = "/tmp/reeve-file-XXXXXX";
        REEVE_EXPECT(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~Folder() {
        const auto entries = File::list(path_);
        if (entries)
            for (const auto& entry : *entries) ::remove((path_ + "/" + entry.name).c_str());
        ::rmdir(path_.c_str());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

bool says(const reeve::Error& error, const std::string& words) { return error.text().find(words) != std::string::npos; }

// Everything File can do to one file, from a fiber or a plain thread.
void use_a_file(const Folder& folder) {
    const std::string path = folder / "used";
    auto file = File::create(path);
    if (!REEVE_EXPECT(file)) return;
    REEVE_EXPECT(file->write(bytes_of("hello ")).value_or(0) == 6);
    REEVE_EXPECT(file->write_all("world").bytes == 5);
    REEVE_EXPECT(file->write_at(bytes_of("W"), 6).value_or(0) == 1);
    REEVE_EXPECT(file->sync());
    REEVE_EXPECT(file->sync_data());
    std::array<std::byte, 5> into{};
    REEVE_EXPECT(file->read_at(into, 6).value_or(0) == 5);
    REEVE_EXPECT(std::to_integer<char>(into[0]) == 'W');
    REEVE_EXPECT(file->read_at(into, 11).error() == Errc::eof);
    REEVE_EXPECT(file->read(into).error() == Errc::eof);  // the position is at the end
    const auto info = file->info();
    REEVE_EXPECT(info && info->size == 11 && info->type == FileType::regular && info->links == 1);
    REEVE_EXPECT(file->truncate(5));
    REEVE_EXPECT(File::read_file(path).value_or("") == "hello");
    REEVE_EXPECT(File::read_file(path, 4).error() == Errc::too_large);
    file->close();
    REEVE_EXPECT(file->read(into).error() == Errc::closed);
    REEVE_EXPECT(!file->is_open());

    REEVE_EXPECT(File::rename(path, path + "2"));
    REEVE_EXPECT(File::info_of(path).error() == Errc::not_found);
    REEVE_EXPECT(File::info_of(path + "2")->size == 5);
    REEVE_EXPECT(File::make_directory(path));
    REEVE_EXPECT(File::info_of(path)->type == FileType::directory);
    REEVE_EXPECT(File::remove(path).error().number() == EISDIR);
    REEVE_EXPECT(File::remove_directory(path));
    REEVE_EXPECT(File::remove(path + "2"));
    REEVE_EXPECT(File::write_file(path, "whole"));
    REEVE_EXPECT(File::read_file(path).value_or("") == "whole");
    REEVE_EXPECT(File::remove(path));
}

}  // namespace

REEVE_TEST("file: write, read, stat, truncate, rename, remove", "[file]") {
    const Folder folder;
    use_a_file(folder);
}

// Seen failing with read() and write() where pread() and pwrite() belong in system_call.cpp.
REEVE_TEST("file: the same from a plain thread", "[file]") {
    const Folder folder;
    std::thread thread([&] { use_a_file(folder); });
    reeve::blocking([&] { thread.join(); });
}

REEVE_TEST("file: directories are listed by name, with types; links are told apart", "[file]") {
    const Folder folder;
    REEVE_EXPECT(File::write_file(folder / "b", "x"));
    REEVE_EXPECT(File::write_file(folder / "a", "x"));
    REEVE_EXPECT(File::make_directory(folder / "c"));
    REEVE_EXPECT(::symlink("a", (folder / "d").c_str()) == 0);
    const auto entries = File::list(folder.path());
    if (!REEVE_EXPECT(entries && entries->size() == 4)) return;
    REEVE_EXPECT((*entries)[0].name == "a" && (*entries)[0].type == FileType::regular);
    REEVE_EXPECT((*entries)[2].name == "c" && (*entries)[2].type == FileType::directory);
    REEVE_EXPECT((*entries)[3].type == FileType::symlink);
    REEVE_EXPECT(File::link_info_of(folder / "d")->type == FileType::symlink);
    REEVE_EXPECT(File::info_of(folder / "d")->type == FileType::regular);
    REEVE_EXPECT(File::list(folder / "none").error() == Errc::not_found);
    REEVE_EXPECT(File::list(folder / "a").error().number() == ENOTDIR);
    REEVE_EXPECT(File::list(folder.path(), -1s).error() == Errc::timed_out);
}

REEVE_TEST("file: errors say what is wrong", "[file]") {
    const Folder folder;
    const auto missing = File::open(folder / "none");
    REEVE_EXPECT(missing.error() == Errc::not_found && says(missing.error(), "open: not_found (errno 2, No such file"));

    auto full = File::open("/dev/full", O_WRONLY);
    if (!REEVE_EXPECT(full)) return;
    const auto written = full->write_all("more than fits");
    REEVE_EXPECT(written.bytes == 0 && written.error().number() == ENOSPC && says(written.error(), "No space left on device"));

    REEVE_EXPECT(File::write_file(folder / "kept", "x"));
    const auto exists = File::open(folder / "kept", O_WRONLY | O_CREAT | O_EXCL);
    REEVE_EXPECT(exists.error().number() == EEXIST && says(exists.error(), "File exists"));
    auto read_only = File::open(folder / "kept");
    REEVE_EXPECT(read_only->write(bytes_of("x")).error().number() == EBADF);
    REEVE_EXPECT(read_only->truncate(0).error().number() == EINVAL);
    const auto busy = File::open("/proc/self/exe", O_WRONLY);
    REEVE_EXPECT(busy.error().number() == ETXTBSY);
    // A thread that is nobody in particular.
    std::thread thread([&] {
        ::syscall(SYS_setfsuid, 65534);
        const auto forbidden = File::open(folder / "kept");
        REEVE_EXPECT(!forbidden && forbidden.error().number() == EACCES && says(forbidden.error(), "Permission denied"));
    });
    reeve::blocking([&] { thread.join(); });
}

// Seen failing without the flag in Ring::push(), and without the one in system_call(): the signal ended the process.
REEVE_TEST("file: a pipe that nobody reads is reset, without SIGPIPE", "[file]") {
    // The tests ignore the signal; kernels before Linux 6.18 need that, or a handler.
    struct sigaction before {};
    struct sigaction fatal {};
    ::sigaction(SIGPIPE, reeve::os::write_flags() != 0 ? &fatal : nullptr, &before);
    const Folder folder;
    const std::string path = folder / "fifo";
    REEVE_EXPECT(::mkfifo(path.c_str(), 0600) == 0);
    auto both = File::open(path, O_RDWR);
    auto writer = File::open(path, O_WRONLY);
    if (!REEVE_EXPECT(both && writer)) return;
    both->close();
    REEVE_EXPECT(writer->write(bytes_of("x")).error() == Errc::reset);
    std::thread thread([&] { REEVE_EXPECT(writer->write(bytes_of("x")).error() == Errc::reset); });
    reeve::blocking([&] { thread.join(); });
    ::sigaction(SIGPIPE, &before, nullptr);
}

// Seen failing with perform() that knows ECANCELED and EINTR only: the error was os, number 512.
REEVE_TEST("file: a deadline and a cancellation end what waits for somebody else", "[file]") {
    const Folder folder;
    const std::string path = folder / "fifo";
    REEVE_EXPECT(::mkfifo(path.c_str(), 0600) == 0);
    if (reeve::test::is_thread_sanitized() && reeve::stats().io_engine == std::string_view("epoll")) {
        reeve::test::leave_out("a FIFO's open(): ThreadSanitizer holds back the signal that ends it");
    } else {
        REEVE_EXPECT(File::open(path, O_RDONLY, 0, 2ms).error() == Errc::timed_out);
        auto opener = reeve::spawn([&] { return File::open(path, O_RDONLY).error() == Errc::cancelled; });
        REEVE_EXPECT(reeve::sleep_for(1ms));
        opener.cancel();
        REEVE_EXPECT(opener.join());
    }

    auto both = File::open(path, O_RDWR);
    if (!REEVE_EXPECT(both)) return;
    std::array<std::byte, 4> into{};
    REEVE_EXPECT(both->read(into, 2ms).error() == Errc::timed_out);
    auto reader = reeve::spawn([&] { return both->read(into).error() == Errc::cancelled; });
    REEVE_EXPECT(reeve::sleep_for(1ms));
    reader.cancel();
    REEVE_EXPECT(reader.join());
    REEVE_EXPECT(both->write(bytes_of("abc")).value_or(0) == 3);
    REEVE_EXPECT(both->read(into, 20s).value_or(0) == 3);  // nothing was lost
}

// Seen failing with perform() that leaves the request in the queue: close() found nothing to cancel, and the reader waited on.
REEVE_TEST("file: close ends what waits, however short it has been waiting", "[file]") {
    const Folder folder;
    const std::string path = folder / "fifo";
    REEVE_EXPECT(::mkfifo(path.c_str(), 0600) == 0);
    std::mt19937 random(17);
    for (int round = 0; round < 100; ++round) {
        auto both = File::open(path, O_RDWR);
        if (!REEVE_EXPECT(both)) return;
        std::vector<reeve::Join<bool>> readers;
        for (int i = 0; i < 3; ++i)
            readers.push_back(reeve::spawn([&] {
                std::array<std::byte, 4> into{};
                return both->read(into, 30s).error() == Errc::closed;
            }));
        for (auto i = random() % 4; i != 0; --i) reeve::this_fiber::yield();
        if (random() % 4 == 0) REEVE_EXPECT(reeve::sleep_for(100us));
        both->close();
        for (auto& reader : readers) REEVE_EXPECT(reader.join());
    }
}

REEVE_TEST("file: many fibers write and read their places of one file", "[file]") {
    const Folder folder;
    auto file = File::create(folder / "shared");
    if (!REEVE_EXPECT(file)) return;
    constexpr std::size_t k_fibers = 50;
    constexpr std::size_t k_block = 8'192;
    constexpr std::size_t k_rounds = 10;
    std::vector<reeve::Join<void>> fibers;
    for (std::size_t f = 0; f < k_fibers; ++f)
        fibers.push_back(reeve::spawn([&file, f] {
            const std::vector<std::byte> block(k_block, static_cast<std::byte>(f + 1));
            std::vector<std::byte> into(k_block);
            for (std::size_t round = 0; round < k_rounds; ++round) {
                const std::uint64_t offset = (round * k_fibers + f) * k_block;
                REEVE_EXPECT(file->write_at(block, offset).value_or(0) == k_block);
                REEVE_EXPECT(file->read_at(into, offset).value_or(0) == k_block);
                REEVE_EXPECT(into == block);
            }
        }));
    for (auto& fiber : fibers) fiber.join();
    REEVE_EXPECT(file->info()->size == k_fibers * k_block * k_rounds);
    const std::string all = file->read_all().value_or("");
    std::size_t right = 0;
    for (std::size_t i = 0; i < all.size(); ++i)
        right += static_cast<std::size_t>(all[i]) == (i / k_block) % k_fibers + 1 ? 1 : 0;
    REEVE_EXPECT(right == k_fibers * k_block * k_rounds);
}

// A cancelled request either did its work or did not, and no buffer is written afterwards: it is freed and filled at once.
TEST_CASE("file: cancellation against completion, at a short quantum", "[file]") {
    reeve::test::run_everywhere(
        [] {
            const Folder folder;
            constexpr std::size_t k_bytes = 100'000;
            REEVE_EXPECT(File::write_file(folder / "data", std::string(k_bytes, 'd')));
            auto file = File::open(folder / "data");
            if (!REEVE_EXPECT(file)) return;
            std::atomic<int> done{0};
            std::atomic<int> cancelled{0};
            std::mt19937 random(4711);
            constexpr int k_rounds = 300;
            for (int round = 0; round < k_rounds; ++round) {
                auto reader = reeve::spawn([&] {
                    std::vector<std::byte> into(k_bytes);
                    const auto count = file->read_at(into, 0);
                    if (count && *count == k_bytes && into[k_bytes - 1] == std::byte{'d'}) ++done;
                    if (!count && count.error() == Errc::cancelled) ++cancelled;
                    std::vector<std::byte>(into.size()).swap(into);
                    for (const std::byte byte : into) REEVE_EXPECT(byte == std::byte{0});
                });
                for (auto i = random() % 5; i != 0; --i) reeve::this_fiber::yield();
                reader.cancel();
                reader.join();
            }
            REEVE_EXPECT(done + cancelled == k_rounds);
        },
        [](reeve::Config& config) { config.quantum = 100us; });
}
