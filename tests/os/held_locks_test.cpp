// held_locks(): every way to take and to release a lock counts, whoever calls. (What signal handlers see of it:
// held_locks_signal_test.cpp.)
#include "runtime/os/held_locks.hpp"

#include <openssl/crypto.h>
#include <pthread.h>
#include <semaphore.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <memory_resource>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/reeve_test.hpp"

using reeve::os::held_locks;
using reeve::os::held_lock_address;

namespace {

std::string kind() {
    const char* name = reeve::os::held_lock_kind();
    return name ? name : "none";
}

timespec in_a_moment(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    now.tv_nsec += 2'000'000;
    if (now.tv_nsec >= 1'000'000'000) {
        now.tv_nsec -= 1'000'000'000;
        ++now.tv_sec;
    }
    return now;
}

// A mutex of a type that std has no name for.
struct Mutex {
    explicit Mutex(int type, bool robust = false) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, type);
        if (robust) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&mutex, &attributes);
        pthread_mutexattr_destroy(&attributes);
    }
    ~Mutex() { pthread_mutex_destroy(&mutex); }

    pthread_mutex_t mutex{};
};

// Takes it by `take`, which must count, and releases it, and tries once more while another thread keeps it, which must not.
template <class Lock, class Take, class Release, class Keep>
void counts_once(Lock& lock, const char* named, Take take, Release release, Keep keep, int busy) {
    REQUIRE(held_locks() == 0);
    CHECK(take() == 0);
    CHECK(held_locks() == 1);
    CHECK(kind() == named);
    CHECK(held_lock_address() == &lock);
    CHECK(release(&lock) == 0);
    CHECK(held_locks() == 0);
    if (busy == 0) return;  // it would wait for good
    std::atomic<int> step{0};
    std::thread keeper([&] {
        keep(&lock);
        step = 1;
        while (step != 2) std::this_thread::yield();
        release(&lock);
    });
    while (step != 1) std::this_thread::yield();
    CHECK(take() == busy);
    CHECK(held_locks() == 0);
    step = 2;
    keeper.join();
}

// It would see the release only.
bool is_clock_left_out() {
    if (reeve::test::is_thread_sanitized()) WARN("the clock functions left out: ThreadSanitizer does not know them");
    return reeve::test::is_thread_sanitized();
}

}  // namespace

// Seen failing, as the next two, with the try, timed and clock functions left out: the count stays 0.
TEST_CASE("held locks: every function that locks a mutex", "[held_locks]") {
    const auto check = [](int (*take)(pthread_mutex_t*), int busy) {
        pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        counts_once(mutex, "mutex", [&] { return take(&mutex); }, pthread_mutex_unlock, pthread_mutex_lock, busy);
    };
    check([](pthread_mutex_t* mutex) { return pthread_mutex_lock(mutex); }, 0);
    check([](pthread_mutex_t* mutex) { return pthread_mutex_trylock(mutex); }, EBUSY);
    check(
        [](pthread_mutex_t* mutex) {
            const timespec until = in_a_moment(CLOCK_REALTIME);
            return pthread_mutex_timedlock(mutex, &until);
        },
        ETIMEDOUT);
    if (is_clock_left_out()) return;
    check(
        [](pthread_mutex_t* mutex) {
            const timespec until = in_a_moment(CLOCK_MONOTONIC);
            return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
        },
        ETIMEDOUT);
}

TEST_CASE("held locks: every function that locks a rwlock", "[held_locks]") {
    using Function = int (*)(pthread_rwlock_t*);
    const auto check = [](Function take, Function keep, int busy) {
        pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
        counts_once(lock, "rwlock", [&] { return take(&lock); }, pthread_rwlock_unlock, keep, busy);
    };
    const Function read = pthread_rwlock_rdlock;
    const Function write = pthread_rwlock_wrlock;
    check(read, write, 0);
    check(write, read, 0);
    check(pthread_rwlock_tryrdlock, write, EBUSY);
    check(pthread_rwlock_trywrlock, read, EBUSY);
    check(
        [](pthread_rwlock_t* lock) {
            const timespec until = in_a_moment(CLOCK_REALTIME);
            return pthread_rwlock_timedrdlock(lock, &until);
        },
        write, ETIMEDOUT);
    check(
        [](pthread_rwlock_t* lock) {
            const timespec until = in_a_moment(CLOCK_REALTIME);
            return pthread_rwlock_timedwrlock(lock, &until);
        },
        read, ETIMEDOUT);
    if (is_clock_left_out()) return;
    check(
        [](pthread_rwlock_t* lock) {
            const timespec until = in_a_moment(CLOCK_MONOTONIC);
            return pthread_rwlock_clockrdlock(lock, CLOCK_MONOTONIC, &until);
        },
        write, ETIMEDOUT);
    check(
        [](pthread_rwlock_t* lock) {
            const timespec until = in_a_moment(CLOCK_MONOTONIC);
            return pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &until);
        },
        read, ETIMEDOUT);
}

TEST_CASE("held locks: every function that locks a spin lock", "[held_locks]") {
    pthread_spinlock_t lock;
    pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
    counts_once(lock, "spin lock", [&] { return pthread_spin_lock(&lock); }, pthread_spin_unlock, pthread_spin_lock, 0);
    counts_once(lock, "spin lock", [&] { return pthread_spin_trylock(&lock); }, pthread_spin_unlock, pthread_spin_lock, EBUSY);
    pthread_spin_destroy(&lock);
}

TEST_CASE("held locks: the standard library's locks", "[held_locks]") {
    std::mutex mutex;
    std::recursive_mutex recursive;
    std::timed_mutex timed;
    std::shared_mutex shared;
    {
        const std::scoped_lock both(mutex, timed);
        CHECK(held_locks() == 2);
        const std::lock_guard outer(recursive);
        const std::lock_guard inner(recursive);
        CHECK(held_locks() == 4);  // once per level
        CHECK(kind() == "mutex");
        const std::shared_lock reader(shared);
        CHECK(held_locks() == 5);
        CHECK(kind() == "rwlock");
    }
    CHECK(held_locks() == 0);
    if (is_clock_left_out()) return;
    CHECK(timed.try_lock_for(std::chrono::milliseconds(1)));
    CHECK(held_locks() == 1);
    timed.unlock();
    CHECK(held_locks() == 0);
}

// Seen failing with any nonzero result counted as not held: 0 after EOWNERDEAD; and with any as held: 1 after EDEADLK.
TEST_CASE("held locks: errors of robust and error-checking mutexes", "[held_locks]") {
    if (reeve::test::is_thread_sanitized()) {
        WARN("left out under ThreadSanitizer: it reports such errors itself");
        return;
    }
    Mutex checking(PTHREAD_MUTEX_ERRORCHECK);
    CHECK(pthread_mutex_unlock(&checking.mutex) == EPERM);
    CHECK(held_locks() == 0);
    CHECK(pthread_mutex_lock(&checking.mutex) == 0);
    CHECK(pthread_mutex_lock(&checking.mutex) == EDEADLK);
    CHECK(held_locks() == 1);
    std::thread([&] {
        CHECK(pthread_mutex_unlock(&checking.mutex) == EPERM);
        CHECK(held_locks() == 0);
    }).join();
    CHECK(pthread_mutex_unlock(&checking.mutex) == 0);
    CHECK(held_locks() == 0);

    Mutex robust(PTHREAD_MUTEX_ERRORCHECK, true);
    std::thread([&] { pthread_mutex_lock(&robust.mutex); }).join();
    CHECK(pthread_mutex_lock(&robust.mutex) == EOWNERDEAD);
    CHECK(held_locks() == 1);
    CHECK(pthread_mutex_unlock(&robust.mutex) == 0);  // without having made it consistent
    CHECK(held_locks() == 0);
    CHECK(pthread_mutex_lock(&robust.mutex) == ENOTRECOVERABLE);
    CHECK(held_locks() == 0);
}

TEST_CASE("held locks: errno is left alone", "[held_locks]") {
    std::mutex mutex;
    errno = EDOM;
    mutex.lock();
    CHECK_FALSE(mutex.try_lock());
    mutex.unlock();
    const int kept = errno;
    CHECK(kept == EDOM);
}

// Seen failing with pthread_once taken out: 0 inside, and with the guard object around it replaced by two calls: 1 after the
// exception.
TEST_CASE("held locks: call_once, also when its routine throws", "[held_locks]") {
    std::once_flag flag;
    unsigned inside = 0;
    std::string named;
    if (reeve::test::is_thread_sanitized()) {
        WARN("the exception left out under ThreadSanitizer: its pthread_once never ends afterwards");
    } else {
        CHECK_THROWS_AS(std::call_once(flag,
                                       [&] {
                                           inside = held_locks();
                                           throw 1;
                                       }),
                        int);
        CHECK(inside == 1);
        CHECK(held_locks() == 0);
        inside = 0;
    }
    std::call_once(flag, [&] {
        inside = held_locks();
        named = kind();
    });
    CHECK(inside == 1);
    CHECK(named == "once");
    CHECK(held_locks() == 0);
    std::call_once(flag, [&] { inside = 7; });
    CHECK(inside == 1);
    CHECK(held_locks() == 0);
}

namespace {

struct Initialised {
    Initialised(bool fails, std::vector<unsigned>& seen, std::string& named) {
        seen.push_back(held_locks());
        named = kind();
        if (fails) throw 1;
    }
};

void with_static(bool fails, std::vector<unsigned>& seen, std::string& named) {
    static const Initialised s_one(fails, seen, named);
}

}  // namespace

// Seen failing with the three guard functions left out: 0 inside; and with the count left as it is by the abort: 1 after it.
TEST_CASE("held locks: the initialiser of a function-local static, also when it throws", "[held_locks]") {
    std::vector<unsigned> seen;
    std::string named;
    CHECK_THROWS_AS(with_static(true, seen, named), int);
    CHECK(held_locks() == 0);
    with_static(false, seen, named);
    CHECK(held_locks() == 0);
    with_static(false, seen, named);  // nothing more to do
    CHECK(seen == std::vector<unsigned>{1, 1});
    CHECK(named == "static initialiser");
}

TEST_CASE("held locks: who waits for another's static initialiser does not hold it afterwards", "[held_locks]") {
    std::atomic<bool> begun{false};
    std::atomic<bool> may_end{false};
    const auto get = [&] {
        static const int s_value = [&] {
            begun = true;
            while (!may_end) std::this_thread::yield();
            return 1;
        }();
        return s_value;
    };
    std::thread first([&] { get(); });
    while (!begun) std::this_thread::yield();
    unsigned after = 9;
    std::thread second([&] {
        std::thread([&] { may_end = true; }).join();
        get();
        after = held_locks();
    });
    second.join();
    first.join();
    CHECK(after == 0);
}

namespace {

CRYPTO_ONCE s_once = CRYPTO_ONCE_STATIC_INIT;
unsigned s_inside_once = 0;

// Memory that notes what is held when it is asked for some.
class NotingMemory : public std::pmr::memory_resource {
public:
    unsigned most = 0;

private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        most = std::max(most, held_locks());
        return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
        std::pmr::new_delete_resource()->deallocate(block, bytes, alignment);
    }
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

// Seen failing with the interposers hidden (visibility "hidden"): the libraries then call the C library's.
TEST_CASE("held locks: locks that shared libraries take", "[held_locks]") {
    CRYPTO_RWLOCK* lock = CRYPTO_THREAD_lock_new();
    REQUIRE(lock);
    CHECK(CRYPTO_THREAD_write_lock(lock) == 1);
    CHECK(held_locks() == 1);
    CHECK(kind() == "rwlock");
    CHECK(CRYPTO_THREAD_unlock(lock) == 1);
    CHECK(held_locks() == 0);
    CRYPTO_THREAD_lock_free(lock);

    CHECK(CRYPTO_THREAD_run_once(&s_once, [] { s_inside_once = held_locks(); }) == 1);
    CHECK(s_inside_once == 1);
    CHECK(held_locks() == 0);

    NotingMemory memory;
    {
        std::pmr::synchronized_pool_resource pool(&memory);
        memory.most = 0;
        void* block = pool.allocate(16);  // libstdc++ takes more memory for its pools under a lock
        CHECK(memory.most == 1);
        pool.deallocate(block, 16);
    }
    CHECK(held_locks() == 0);
}

TEST_CASE("held locks: a wait for a condition variable holds its mutex before and after", "[held_locks]") {
    std::mutex mutex;
    std::condition_variable condition;
    bool is_set = false;
    unsigned after = 9;
    unsigned after_timeout = 9;
    std::thread waiter([&] {
        std::unique_lock guard(mutex);
        condition.wait(guard, [&] { return is_set; });
        after = held_locks();
        (void)condition.wait_for(guard, std::chrono::milliseconds(1), [] { return false; });
        after_timeout = held_locks();
        guard.unlock();
        CHECK(held_locks() == 0);
    });
    {
        const std::lock_guard guard(mutex);
        is_set = true;
    }
    condition.notify_one();
    waiter.join();
    CHECK(after == 1);
    CHECK(after_timeout == 1);
}

TEST_CASE("held locks: released in any order, also when there are more than have a name", "[held_locks]") {
    std::mutex mutex;
    std::shared_mutex shared;
    mutex.lock();
    shared.lock();
    mutex.unlock();
    CHECK(held_locks() == 1);
    CHECK(kind() == "rwlock");
    CHECK(held_lock_address() == shared.native_handle());
    shared.unlock();
    CHECK(held_locks() == 0);
    CHECK(held_lock_address() == nullptr);
    CHECK(kind() == "none");

    constexpr unsigned k_many = 21;
    std::vector<std::mutex> many(k_many);
    for (std::mutex& one : many) one.lock();
    CHECK(held_locks() == k_many);
    for (std::mutex& one : many) one.unlock();
    CHECK(held_locks() == 0);
    for (std::mutex& one : many) one.lock();
    for (unsigned i = k_many; i-- > 0;) many[i].unlock();
    CHECK(held_locks() == 0);
}

// Seen failing with the search for the address taken out: the count of a thread that holds another lock falls to 0.
TEST_CASE("held locks: who releases another thread's lock keeps its own count", "[held_locks]") {
    if (reeve::test::is_thread_sanitized()) {
        WARN("left out under ThreadSanitizer: it reports such a release, rightly");
        return;
    }
    std::mutex theirs;
    std::mutex mine;
    std::thread([&] {
        theirs.lock();
        CHECK(held_locks() == 1);
    }).join();
    theirs.unlock();
    CHECK(held_locks() == 0);

    std::thread([&] { theirs.lock(); }).join();
    mine.lock();
    theirs.unlock();
    CHECK(held_locks() == 1);
    mine.unlock();
    CHECK(held_locks() == 0);
}

TEST_CASE("held locks: what a thread is to forget counts no more", "[held_locks]") {
    std::mutex mutex;
    std::shared_mutex shared;
    mutex.lock();
    shared.lock();
    reeve::os::forget_held_locks();
    CHECK(held_locks() == 0);
    mutex.unlock();
    CHECK(held_locks() == 0);
    CHECK(mutex.try_lock());  // not lock(): ThreadSanitizer would see an order
    shared.unlock();
    CHECK(held_locks() == 1);
    mutex.unlock();
    CHECK(held_locks() == 0);
}

TEST_CASE("held locks: threads are counted apart, and semaphores not at all", "[held_locks]") {
    std::mutex mutex;
    const std::lock_guard guard(mutex);
    std::thread([] { CHECK(held_locks() == 0); }).join();
    sem_t semaphore;
    sem_init(&semaphore, 0, 1);
    sem_wait(&semaphore);
    CHECK(held_locks() == 1);
    sem_post(&semaphore);
    sem_destroy(&semaphore);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
namespace {

unsigned s_held_early = 0;

void lock_early(int, char**, char**) {
    static pthread_mutex_t s_early = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&s_early);
    s_held_early = held_locks();
    pthread_mutex_unlock(&s_early);
    s_held_early = s_held_early * 10 + held_locks();
}

[[gnu::section(".preinit_array"), gnu::used]] void (*s_lock_early)(int, char**, char**) = lock_early;

}  // namespace

TEST_CASE("held locks: a lock taken before any constructor has run", "[held_locks]") { CHECK(s_held_early == 10); }
#endif
