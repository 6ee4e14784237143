// Runs where the kernel refuses io_uring: denied by a real seccomp filter, as container runtimes do it.
//
//     without_io_uring EPERM|ENOSYS|ENOMEM [SYSTEM CALL ...]
//
// The error, and which calls have it (default: the three of io_uring). Then everything that waits for the kernel is done once, and
// the last line says which engine did it and why. A failed check ends it with status 1.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "net/net.hpp"
#include "runtime/runtime.hpp"

using namespace std::chrono_literals;

namespace {

const std::map<std::string, int> k_errors{{"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"ENOMEM", ENOMEM}};
const std::map<std::string, unsigned> k_calls{{"io_uring_setup", SYS_io_uring_setup},
                                              {"io_uring_enter", SYS_io_uring_enter},
                                              {"io_uring_register", SYS_io_uring_register},
                                              {"epoll_pwait2", SYS_epoll_pwait2},
                                              {"preadv2", SYS_preadv2}};

#define CHECK_THAT(...)                                                           \
    do {                                                                          \
        if (!(__VA_ARGS__)) {                                                     \
            std::fprintf(stderr, "line %d: not so: %s\n", __LINE__, #__VA_ARGS__); \
            std::_Exit(1);                                                        \
        }                                                                         \
    } while (false)

void deny(const std::vector<unsigned>& calls, int error) {
    std::vector<sock_filter> code{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (const unsigned call : calls) {
        code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
        code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)));
    }
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog program{.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
    CHECK_THAT(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK_THAT(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

void echo_over_tcp() {
    auto listener = reeve::net::TcpListener::listen("127.0.0.1:0");
    CHECK_THAT(listener);
    std::array<std::byte, 16> into{};
    CHECK_THAT(listener->accept(2ms).error() == reeve::Errc::timed_out);
    auto server = reeve::spawn([&] {
        for (int i = 0; i < 20; ++i) {
            auto stream = listener->accept(20s);
            CHECK_THAT(stream);
            reeve::go([own = std::move(*stream)]() mutable {
                std::array<std::byte, 16> bytes{};
                while (const auto count = own.read(bytes)) CHECK_THAT(own.write(std::span(bytes).first(*count)));
            });
        }
    });
    for (int i = 0; i < 20; ++i) {
        auto stream = reeve::net::TcpStream::connect(listener->local_address(), 20s);
        CHECK_THAT(stream);
        for (int n = 0; n < 10; ++n) {
            CHECK_THAT(stream->write(bytes_of("hello")).value_or(0) == 5);
            CHECK_THAT(stream->read(into, 20s).value_or(0) == 5);
        }
        CHECK_THAT(stream->read(into, 200us).error() == reeve::Errc::timed_out);
    }
    server.join();
    auto acceptor = reeve::spawn([&] { return listener->accept().error() == reeve::Errc::closed; });
    CHECK_THAT(reeve::sleep_for(1ms));
    listener->close();
    CHECK_THAT(acceptor.join());
}

void talk_over_pipe() {
    std::array<int, 2> ends{};
    CHECK_THAT(::pipe2(ends.data(), O_CLOEXEC) == 0);
    reeve::Fd reader(ends[0]);
    reeve::Fd writer(ends[1]);
    std::array<std::byte, 16> into{};
    auto cancelled = reeve::spawn([&] { return reader.read(into).error() == reeve::Errc::cancelled; });
    CHECK_THAT(reeve::sleep_for(1ms));
    cancelled.cancel();
    CHECK_THAT(cancelled.join());
    auto received = reeve::spawn([&] { return reader.read(into, 20s).value_or(0) == 3; });
    CHECK_THAT(reeve::sleep_for(1ms));
    CHECK_THAT(writer.write(bytes_of("abc")).value_or(0) == 3);
    CHECK_THAT(received.join());
}

void use_files() {
    std::string folder = "/tmp/reeve-without-XXXXXX";
    CHECK_THAT(::mkdtemp(folder.data()));
    const std::string text(300'000, 'f');
    CHECK_THAT(reeve::File::write_file(folder + "/a", text));
    CHECK_THAT(reeve::File::read_file(folder + "/a").value_or("") == text);
    CHECK_THAT(reeve::File::info_of(folder + "/a")->size == text.size());
    CHECK_THAT(reeve::File::list(folder)->size() == 1);
    CHECK_THAT(reeve::File::remove(folder + "/a"));
    CHECK_THAT(::mkfifo((folder + "/fifo").c_str(), 0600) == 0);
#ifndef __SANITIZE_THREAD__  // it holds back the signal that ends the call
    CHECK_THAT(reeve::File::open(folder + "/fifo", O_RDONLY, 0, 2ms).error() == reeve::Errc::timed_out);
#endif
    CHECK_THAT(reeve::File::remove(folder + "/fifo"));
    CHECK_THAT(reeve::File::remove_directory(folder));
}

void use_timers() {
    const std::int64_t begin = reeve::now_ns();
    std::vector<reeve::Join<bool>> sleepers;
    for (int i = 0; i < 100; ++i) sleepers.push_back(reeve::spawn([] { return reeve::sleep_for(5ms).has_value(); }));
    for (auto& sleeper : sleepers) CHECK_THAT(sleeper.join());
    CHECK_THAT(reeve::now_ns() - begin >= 5'000'000);
}

void run_process() {
    const auto output = reeve::Process::run({"/bin/sh", "-c", "cat; exit 3"}, "words", {}, 20s);
    CHECK_THAT(output && output->out == "words" && output->exit.status == 3);
}

// One that computes does not keep what has come from the fiber that waits for it.
void complete_beside_hog() {
    std::atomic<bool> is_over{false};
    std::vector<reeve::Join<void>> hogs;
    for (int i = 0; i < 4; ++i)
        hogs.push_back(reeve::spawn([&] {
            while (!is_over.load(std::memory_order_relaxed)) {
            }
        }));
    echo_over_tcp();
    is_over = true;
    for (auto& hog : hogs) hog.join();
}

}  // namespace

int main(int count, char** words) {
    const std::string error = count > 1 ? words[1] : "";
    std::vector<unsigned> calls;
    for (int i = 2; i < count; ++i) calls.push_back(k_calls.at(words[i]));
    if (calls.empty()) calls = {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};
    deny(calls, k_errors.at(error));
    reeve::Config config = reeve::Config::from_env();
    config.workers = 2;
    reeve::run(config, [] {
        echo_over_tcp();
        talk_over_pipe();
        use_files();
        use_timers();
        run_process();
        complete_beside_hog();
        reeve::dump(STDOUT_FILENO);
        const reeve::Stats stats = reeve::stats();
        std::printf("%s %d\n", stats.io_engine, stats.io_uring_refusal);
    });
}
