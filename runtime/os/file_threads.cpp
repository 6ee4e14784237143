#include "runtime/os/file_threads.hpp"

#include <cerrno>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/os/epoll.hpp"
#include "runtime/os/interruptible_call.hpp"
#include "runtime/os/thread.hpp"

namespace reeve::os {

FileThreads::FileThreads(int signal, unsigned most_threads) : signal_(signal), most_threads_(most_threads) {}

FileThreads::~FileThreads() {
    is_stopping_.store(true, std::memory_order_release);
    for (FileThread* thread = made_.load(std::memory_order_acquire); thread; thread = thread->next_made) {
        thread->parker.wake();
        if (thread->thread_id.load(std::memory_order_relaxed) >= 0) pthread_join(thread->thread, nullptr);
    }
    // Only now: one that has just finished its request may have lined up behind another that had ended.
    for (FileThread* thread = made_.load(std::memory_order_relaxed); thread;) {
        FileThread* next = thread->next_made;
        delete thread;
        thread = next;
    }
}

FileThreads::Place::Place(FileThreads& threads) : threads_(threads) {
    // Whoever makes the number of requests larger than that of threads starts one.
    if (threads.wanted_.fetch_add(1, std::memory_order_relaxed) >= threads.count_.load(std::memory_order_relaxed)) threads.start();
}

void FileThreads::start() {
    unsigned count = count_.load(std::memory_order_relaxed);
    do {
        if (count >= most_threads_) return;
    } while (!count_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed));
    auto& made = *new FileThread;
    made.owner = this;
    // Before it runs: who asks for all threads must not miss it.
    made.next_made = made_.load(std::memory_order_relaxed);
    while (!made_.compare_exchange_weak(made.next_made, &made, std::memory_order_release, std::memory_order_relaxed)) {
    }
    const auto body = [](void* raw) {
        auto& self = *static_cast<FileThread*>(raw);
        self.owner->main(self);
    };
    if (start_thread(made.thread, "reeve-file", signal_, body, &made) == 0) return;
    made.thread_id.store(-1, std::memory_order_relaxed);
    count_.fetch_sub(1, std::memory_order_relaxed);
}

void FileThreads::main(FileThread& self) {
    self.thread_id.store(thread_id(), std::memory_order_relaxed);
    for (;;) {
        Pending* work;
        {
            SpinGuard guard(lock_);
            if (!self.work && !queue_.is_empty()) give(self, *queue_.pop_front());
            work = self.work;
            if (!work && !self.is_linked) idle_.push_back(self);
        }
        if (!work) {
            if (is_stopping_.load(std::memory_order_acquire)) return;
            self.parker.park();
            continue;
        }
        long result;
        do result = interruptible_system_call(*work->request, self.gives_up);
        while (result == -EINTR && self.gives_up.load(std::memory_order_relaxed) == 0);
        {
            SpinGuard guard(lock_);
            self.work = nullptr;
            work->thread = nullptr;
        }
        work->engine->finish(*work, static_cast<std::int32_t>(result));
    }
}

void FileThreads::give(FileThread& thread, Pending& work) {
    thread.work = &work;
    thread.gives_up.store(0, std::memory_order_relaxed);
    work.thread = &thread;
}

void FileThreads::push(Pending& pending) {
    FileThread* thread;
    {
        SpinGuard guard(lock_);
        thread = idle_.pop_front();
        if (!thread) {
            queue_.push_back(pending);
            return;
        }
        give(*thread, pending);
    }
    thread->parker.wake();
}

void FileThreads::interrupt(FileThread& thread) const {
    thread.gives_up.store(1, std::memory_order_relaxed);
    syscall(SYS_tgkill, getpid(), thread.thread_id.load(std::memory_order_relaxed), signal_);
}

void FileThreads::cancel(Pending& pending) {
    {
        SpinGuard guard(lock_);
        if (pending.thread) interrupt(*pending.thread);
        if (!pending.is_linked) return;  // or it is done
        queue_.remove(pending);
    }
    pending.engine->finish(pending, -ECANCELED);
}

void FileThreads::cancel_all(int fd) {
    List<Pending> cancelled;
    {
        SpinGuard guard(lock_);
        for (FileThread* thread = made_.load(std::memory_order_acquire); thread; thread = thread->next_made)
            if (thread->work && thread->work->request->fd == fd) interrupt(*thread);
        for (Pending* one = queue_.first(); one;) {
            Pending* next = one->next;
            if (one->request->fd == fd) {
                queue_.remove(*one);
                cancelled.push_back(*one);
            }
            one = next;
        }
    }
    while (Pending* one = cancelled.pop_front()) one->engine->finish(*one, -ECANCELED);
}

}  // namespace reeve::os
