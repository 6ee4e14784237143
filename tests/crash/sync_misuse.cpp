// Must die: the synchronisation is used as its headers forbid; the argument says how.
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>

#include "runtime/runtime.hpp"

namespace {

void misuse(const std::string& how) {
    if (how == "condition-without-lock") {
        reeve::Mutex mutex;
        reeve::Condition condition;
        std::unique_lock lock(mutex, std::defer_lock);
        (void)condition.wait(lock);
    } else if (how == "shared-mutex-unlock") {
        reeve::SharedMutex mutex;
        mutex.lock_shared();
        mutex.unlock();
    } else if (how == "shared-mutex-unlock-shared") {
        reeve::SharedMutex mutex;
        mutex.lock();
        mutex.unlock_shared();
    } else if (how == "semaphore-overflow") {
        reeve::Semaphore semaphore(2);
        semaphore.release(SIZE_MAX);
    } else if (how == "latch-below-zero") {
        reeve::Latch latch(1);
        latch.count_down(2);
    } else if (how == "barrier-of-nobody") {
        const reeve::Barrier barrier(0);
    } else if (how == "promise-twice") {
        reeve::Promise<int> promise;
        promise.set_value(1);
        promise.set_error(reeve::Errc::closed);
    } else if (how == "promise-moved-from") {
        reeve::Promise<int> promise;
        const reeve::Promise<int> other = std::move(promise);
        promise.set_value(1);
    } else if (how == "future-taken-twice") {
        reeve::Promise<int> promise;
        promise.set_value(1);
        (void)promise.get_future().take();
        (void)promise.get_future().get();
    }
}

}  // namespace

int main(int count, char** arguments) {
    reeve::run([&] { misuse(count > 1 ? arguments[1] : ""); });
    std::puts("alive");
}
