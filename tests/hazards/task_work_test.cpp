// Which calls end with EINTR, without any signal, because the kernel finishes a request of the same thread.
//
// A thread that has passed a request to an io_uring finishes it itself: when it completes, the kernel wakes the thread from
// whatever it sleeps in ("task work"), as a signal would. Most calls go to sleep again without a word. Some do not, as they
// would not after a signal: these are the kernel's own, and no option of the ring helps but a kernel thread that passes on the
// requests (SQPOLL), which computes while it waits for some. Programs must make these calls again, as they must where a
// debugger is attached. Which ones they are is promised by runtime/README.md, and held by this list, both ways.
//
// Each round: one processor. A fiber starts to receive and parks; another one passes that request to the kernel, on its own
// thread, and makes the call. A plain thread sees it sleep there, sends what is received, waits until it was, and gives the
// call what it waits for.
//
// Seen failing, with the first list, with a ring set up with SQPOLL; with the second, with either of two calls in the wrong one.
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/os/ring.hpp"
#include "runtime/runtime.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/processor.hpp"
#include "runtime/sched/worker.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;

namespace {

constexpr int k_rounds = 3;
constexpr unsigned k_nap_us = 20'000;
const timespec k_nap{0, k_nap_us * 1000};  // longer than it takes to receive; where not, that round shows nothing
const timespec k_while{0, 300'000'000};
const timespec k_long{20, 0};         // ends by itself only where the test has failed

long thread_id() { return ::syscall(SYS_gettid); }
int errno_of(long result) { return result < 0 ? errno : 0; }
timespec later() {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += k_long.tv_sec;
    return time;
}

// What the calls wait for. Made anew for each.
struct Things {
    Things() {
        const timeval limit{k_long.tv_sec, 0};
        char path[] = "/tmp/reeve-task-work-XXXXXX";
        file = ::mkostemp(path, O_CLOEXEC);
        same_file = ::open(path, O_RDWR | O_CLOEXEC);
        ::unlink(path);
        address.sun_family = AF_UNIX;
        std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "reeve-task-work-%d", ::getpid());
        listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        epoll_event readable{};
        readable.events = EPOLLIN;
        is_complete = ::pipe2(pipe.data(), O_CLOEXEC) == 0 && ::pipe2(full_pipe.data(), O_CLOEXEC) == 0 && file >= 0 &&
                      same_file >= 0 && semaphores >= 0 && messages >= 0 && event >= 0 &&
                      ::sem_init(&semaphore, 0, 0) == 0 &&
                      ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) == 0 &&
                      ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, timed.data()) == 0 &&
                      ::setsockopt(timed[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
                      ::setsockopt(timed[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
                      ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                      ::listen(listener, 1) == 0 && ::epoll_ctl(epoll, EPOLL_CTL_ADD, pipe[0], &readable) == 0;
        fill(full_pipe[1]);
        fill(timed[0]);
        fill(sockets[0]);
    }
    ~Things() {
        for (const int fd : {pipe[0], pipe[1], full_pipe[0], full_pipe[1], sockets[0], sockets[1], timed[0], timed[1], file, same_file,
                             epoll, event, listener})
            ::close(fd);
        ::semctl(semaphores, 0, IPC_RMID);
        ::msgctl(messages, IPC_RMID, nullptr);
        ::sem_destroy(&semaphore);
    }
    Things(const Things&) = delete;
    Things& operator=(const Things&) = delete;

    static void fill(int fd) {
        ::fcntl(fd, F_SETFL, O_NONBLOCK);
        const std::array<char, 4096> bytes{};
        while (::write(fd, bytes.data(), bytes.size()) > 0) {
        }
        ::fcntl(fd, F_SETFL, 0);
    }
    static void empty(int fd) {
        ::fcntl(fd, F_SETFL, O_NONBLOCK);
        std::array<char, 4096> bytes;
        while (::read(fd, bytes.data(), bytes.size()) > 0) {
        }
    }
    void start_child() {
        std::string program = "sleep";
        std::string time = "60";
        std::array<char*, 3> command{program.data(), time.data(), nullptr};
        REEVE_EXPECT(::posix_spawnp(&child, "sleep", nullptr, nullptr, command.data(), environ) == 0);
    }
    void connect_to_listener() const {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REEVE_EXPECT(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        ::close(fd);
    }

    std::array<int, 2> pipe{-1, -1};
    std::array<int, 2> full_pipe{-1, -1};
    std::array<int, 2> sockets{-1, -1};  // what is sent on the first fills it
    std::array<int, 2> timed{-1, -1};    // with SO_RCVTIMEO and SO_SNDTIMEO; likewise
    int file = -1;
    int same_file = -1;
    int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    int event = ::eventfd(0, EFD_CLOEXEC);
    int listener = -1;
    sockaddr_un address{};
    int semaphores = ::semget(IPC_PRIVATE, 1, 0600);
    int messages = ::msgget(IPC_PRIVATE, 0600);
    sem_t semaphore{};
    std::atomic<int> futex_word{0};
    std::mutex mutex;
    std::condition_variable condition;
    bool is_told = false;
    pid_t child = -1;
    bool is_complete = false;
};

struct Call {
    const char* name;
    std::vector<long> numbers;          // of the system call it sleeps in
    std::function<int(Things&)> make;   // the errno it ends with
    std::function<void(Things&)> end;   // what it waits for
    bool is_unknown = false;            // to ThreadSanitizer: a signal may end it (eintr_test.cpp)
};

void write_to_pipe(Things& things) { REEVE_EXPECT(::write(things.pipe[1], "x", 1) == 1); }
void nothing(Things&) {}

int take_semaphore(const Things& things, const timespec* limit) {
    sembuf take{0, -1, 0};
    return errno_of(limit ? ::semtimedop(things.semaphores, &take, 1, limit) : ::semop(things.semaphores, &take, 1));
}
void give_semaphore(Things& things) {
    sembuf give{0, 1, 0};
    REEVE_EXPECT(::semop(things.semaphores, &give, 1) == 0);
}
int take_signal() {
    sigset_t one;
    ::sigemptyset(&one);
    ::sigaddset(&one, SIGUSR2);
        const int error = errno_of(::sigtimedwait(&one, nullptr, &k_while));
    return error == EAGAIN ? 0 : error;  // it never comes
}
int select_one(int fd) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    timeval limit{k_long.tv_sec, 0};
    return errno_of(::select(fd + 1, &set, nullptr, nullptr, &limit));
}
int receive(int fd) {
    char byte = 0;
    return errno_of(::recv(fd, &byte, 1, 0));
}
int accept_one(int fd) {
    const int accepted = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
    const int error = errno_of(accepted);
    ::close(accepted);
    return error;
}

const std::vector<Call> k_ended{
    {"epoll_wait", {SYS_epoll_wait, SYS_epoll_pwait},
     [](Things& things) {
         epoll_event event{};
         return errno_of(::epoll_wait(things.epoll, &event, 1, -1));
     },
     write_to_pipe},
    {"epoll_pwait", {SYS_epoll_pwait},
     [](Things& things) {
         epoll_event event{};
         return errno_of(::epoll_pwait(things.epoll, &event, 1, static_cast<int>(k_long.tv_sec) * 1000, nullptr));
     },
     write_to_pipe},
    {"recv with SO_RCVTIMEO", {SYS_recvfrom}, [](Things& things) { return receive(things.timed[0]); },
     [](Things& things) { REEVE_EXPECT(::write(things.timed[1], "x", 1) == 1); }},
    {"send with SO_SNDTIMEO", {SYS_sendto}, [](Things& things) { return errno_of(::send(things.timed[0], "x", 1, 0)); },
     [](Things& things) { Things::empty(things.timed[1]); }},
    {"semop", {SYS_semop, SYS_semtimedop}, [](Things& things) { return take_semaphore(things, nullptr); }, give_semaphore},
    {"semtimedop", {SYS_semtimedop}, [](Things& things) { return take_semaphore(things, &k_long); }, give_semaphore},
    {"sigtimedwait", {SYS_rt_sigtimedwait}, [](Things&) { return take_signal(); }, nothing},
};

const std::vector<Call> k_goes_on{
    {"read", {SYS_read},
     [](Things& things) {
         char byte = 0;
         return errno_of(::read(things.pipe[0], &byte, 1));
     },
     write_to_pipe},
    {"read of an eventfd", {SYS_read},
     [](Things& things) {
         eventfd_t value = 0;
         return errno_of(::eventfd_read(things.event, &value));
     },
     [](Things& things) { REEVE_EXPECT(::eventfd_write(things.event, 1) == 0); }},
    {"write", {SYS_write}, [](Things& things) { return errno_of(::write(things.full_pipe[1], "x", 1)); },
     [](Things& things) { Things::empty(things.full_pipe[0]); }},
    {"recv", {SYS_recvfrom}, [](Things& things) { return receive(things.sockets[0]); },
     [](Things& things) { REEVE_EXPECT(::write(things.sockets[1], "x", 1) == 1); }},
    {"send", {SYS_sendto}, [](Things& things) { return errno_of(::send(things.sockets[0], "x", 1, 0)); },
     [](Things& things) { Things::empty(things.sockets[1]); }},
    {"accept", {SYS_accept4}, [](Things& things) { return accept_one(things.listener); },
     [](Things& things) { things.connect_to_listener(); }},
    {"poll", {SYS_poll},
     [](Things& things) {
         pollfd polled{things.pipe[0], POLLIN, 0};
         return errno_of(::poll(&polled, 1, static_cast<int>(k_long.tv_sec) * 1000));
     },
     write_to_pipe},
    {"ppoll", {SYS_ppoll},
     [](Things& things) {
         pollfd polled{things.pipe[0], POLLIN, 0};
         return errno_of(::ppoll(&polled, 1, &k_long, nullptr));
     },
     write_to_pipe},
    {"select", {SYS_select, SYS_pselect6}, [](Things& things) { return select_one(things.pipe[0]); }, write_to_pipe, true},
    {"nanosleep", {SYS_nanosleep, SYS_clock_nanosleep}, [](Things&) { return errno_of(::nanosleep(&k_nap, nullptr)); }, nothing},
    {"clock_nanosleep", {SYS_clock_nanosleep},
     [](Things&) { return ::clock_nanosleep(CLOCK_MONOTONIC, 0, &k_nap, nullptr); }, nothing, true},
    {"usleep", {SYS_nanosleep, SYS_clock_nanosleep}, [](Things&) { return errno_of(::usleep(k_nap_us)); }, nothing},
    {"futex", {SYS_futex},
     [](Things& things) {
         const int error = errno_of(::syscall(SYS_futex, &things.futex_word, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0));
         return error == EAGAIN ? 0 : error;  // the word was changed before it slept again
     },
     [](Things& things) {
         things.futex_word = 1;
         ::syscall(SYS_futex, &things.futex_word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
     }},
    {"sem_wait", {SYS_futex}, [](Things& things) { return errno_of(::sem_wait(&things.semaphore)); },
     [](Things& things) { ::sem_post(&things.semaphore); }},
    {"sem_timedwait", {SYS_futex},
     [](Things& things) {
         const timespec until = later();
         return errno_of(::sem_timedwait(&things.semaphore, &until));
     },
     [](Things& things) { ::sem_post(&things.semaphore); }},
    {"condition_variable", {SYS_futex},
     [](Things& things) {
         std::unique_lock lock(things.mutex);
         return things.condition.wait_for(lock, 20s, [&] { return things.is_told; }) ? 0 : ETIMEDOUT;
     },
     [](Things& things) {
         const std::lock_guard lock(things.mutex);
         things.is_told = true;
         things.condition.notify_one();
     }},
    {"waitpid", {SYS_wait4}, [](Things& things) { return errno_of(::waitpid(things.child, nullptr, 0)); },
     [](Things& things) { ::kill(things.child, SIGKILL); }},
    {"flock", {SYS_flock}, [](Things& things) { return errno_of(::flock(things.file, LOCK_EX)); },
     [](Things& things) { ::flock(things.same_file, LOCK_UN); }},
    {"msgrcv", {SYS_msgrcv},
     [](Things& things) {
         std::array<char, 64> message{};
         return errno_of(::msgrcv(things.messages, message.data(), 8, 0, 0));
     },
     [](Things& things) {
         const std::array<long, 2> message{1, 0};
         REEVE_EXPECT(::msgsnd(things.messages, message.data(), 1, IPC_NOWAIT) == 0);
     },
     true},
};

// True once it sleeps in one of these calls; false when it has returned from it already.
bool sleeps_in(long thread, const std::vector<long>& numbers, const std::atomic<bool>& has_returned) {
    while (!has_returned) {
        std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/syscall");
        long number = -1;
        if (file >> number && std::find(numbers.begin(), numbers.end(), number) != numbers.end()) return true;
        ::usleep(100);
    }
    return false;
}

// Passes what is queued to the kernel, and stays on this thread. False: there is nothing (any more).
bool submit_here() {
    reeve::sched::Worker* worker = reeve::sched::current_worker();
    worker->enter();
    reeve::os::IoEngine& io = worker->processor()->io;
    const bool is_queued = io.has_unsubmitted();
    io.submit();
    worker->leave();
    return is_queued;
}

// The errno the call ended with; -1 when another thread may have passed the request to the kernel, or the call was too short.
int round(const Call& call) {
    Things things;
    std::array<int, 2> ends{};
    if (!REEVE_EXPECT(things.is_complete && ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0)) return -1;
    REEVE_EXPECT(::flock(things.same_file, LOCK_EX) == 0);

    reeve::Fd source(ends[0]);
    std::atomic<bool> has_begun{false};
    std::atomic<bool> was_received{false};
    auto receiver = reeve::spawn([&] {
        std::byte byte{};
        has_begun = true;
        REEVE_EXPECT(source.recv({&byte, 1}).has_value());
        was_received = true;
    });
    while (!has_begun) reeve::this_fiber::yield();
    if (!submit_here()) {
        REEVE_EXPECT(::write(ends[1], "x", 1) == 1);
        receiver.join();
        ::close(ends[1]);
        return -1;
    }
    const long thread = thread_id();
    if (call.numbers.front() == SYS_wait4) things.start_child();
    std::atomic<bool> has_returned{false};
    std::atomic<bool> was_asleep{false};
    std::atomic<bool> lasted{false};  // longer than that took
    std::thread outside([&] {
        was_asleep = sleeps_in(thread, call.numbers, has_returned);
        REEVE_EXPECT(::write(ends[1], "x", 1) == 1);
        while (!was_received) ::usleep(100);
        lasted = !has_returned;
        call.end(things);
    });
    const int error = call.make(things);
    has_returned = true;
    outside.join();
    receiver.join();
    ::close(ends[1]);
    if (things.child > 0) ::waitpid(things.child, nullptr, 0);
    return was_asleep && (lasted || error == EINTR) ? error : -1;
}

void all_end_with(const std::vector<Call>& calls, int expected) {
    reeve::test::run_everywhere(
        [&] {
            for (const Call& call : calls) {
                int shown = 0;
                for (int i = 0; shown < k_rounds && i < 20 * k_rounds; ++i) {
                    const int error = round(call);
                    // Woken for the request, the thread looks as if it computed: should it be asked to stop just then, by a
                    // signal, the handler makes the call again, or cannot.
                    const bool is_mended = error == 0 && expected == EINTR;
                    const bool is_ended = error == EINTR && call.is_unknown && reeve::test::is_thread_sanitized();
                    if (error >= 0 && !REEVE_EXPECT(error == expected || is_mended || is_ended))
                        std::fprintf(stderr, "%s: errno %d\n", call.name, error);
                    shown += error == expected ? 1 : 0;
                }
                if (!REEVE_EXPECT(shown == k_rounds)) std::fprintf(stderr, "%s: shown %d times\n", call.name, shown);
            }
        },
        [](reeve::Config& config) { config.workers = 1; });  // who submits is left to chance with more
}

}  // namespace

TEST_CASE("task work: the calls that a request of their thread ends with EINTR", "[hazards][eintr]") { all_end_with(k_ended, EINTR); }

TEST_CASE("task work: the calls that it does not end", "[hazards][eintr]") { all_end_with(k_goes_on, 0); }
