// FileThreads: do for Epoll what cannot be waited for by readiness: files, and whatever else blocks.
//
// Idea. What io_uring's own threads do. One request per thread at a time; a thread is started when there are more requests than
// threads, and stays. A request that waits for somebody else (a FIFO's other end) is ended by a signal when it is cancelled;
// one that the disk works on runs to its end.
//
// Callers are named per method. A request's Pending is valid until Epoll::finish() was called for it, its Epoll until the threads
// have ended.
//
// I1  Pending::thread names the thread from when it has the request to just before finish(): guarded by `lock_`, as all lists are.
#pragma once

#include <atomic>
#include <cstdint>
#include <pthread.h>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/os/futex.hpp"
#include "runtime/os/io_engine.hpp"

namespace reeve::os {

class FileThreads;

struct FileThread : ListNode<FileThread> {
    FileThreads* owner = nullptr;
    FileThread* next_made = nullptr;
    pthread_t thread{};
    std::atomic<int> thread_id{0};  // the kernel's; 0 until it has started, -1: it never will
    Parker parker;
    Pending* work = nullptr;                 // guarded by the owner's lock
    std::atomic<std::uint32_t> gives_up{0};  // its call is to end; set under that lock
};

class FileThreads {
public:
    // `signal`: its handler calls give_up_interrupted_call() on threads that are none of the runtime's workers.
    FileThreads(int signal, unsigned most_threads);
    ~FileThreads();  // nothing may be in flight; before the engines, which a thread may still be about to wake
    FileThreads(const FileThreads&) = delete;
    FileThreads& operator=(const FileThreads&) = delete;

    // For the time of a request: there is a thread for it, unless there are too many. User code: starting a thread takes a while.
    class [[nodiscard]] Place {
    public:
        explicit Place(FileThreads& threads);
        ~Place() { threads_.wanted_.fetch_sub(1, std::memory_order_relaxed); }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        // False: no thread could be started so far.
        explicit operator bool() const { return threads_.count_.load(std::memory_order_relaxed) != 0; }

    private:
        FileThreads& threads_;
    };

    // Any thread; workers in the runtime.
    void push(Pending& pending);
    void cancel(Pending& pending);
    void cancel_all(int fd);
    template <class Visitor>
    void for_each_thread_id(Visitor visit) {
        for (const FileThread* thread = made_.load(std::memory_order_acquire); thread; thread = thread->next_made)
            visit(thread->thread_id.load(std::memory_order_relaxed));
    }

private:
    void start();
    void main(FileThread& self);
    static void give(FileThread& thread, Pending& work);  // lock_ held
    void interrupt(FileThread& thread) const;             // lock_ held

    const int signal_;
    const unsigned most_threads_;
    std::atomic<unsigned> wanted_{0};
    std::atomic<unsigned> count_{0};
    std::atomic<bool> is_stopping_{false};
    std::atomic<FileThread*> made_{nullptr};  // all there are, by `next_made`: who starts one is in user code, and takes no lock
    SpinLock lock_;  // guards what follows
    List<FileThread> idle_;
    List<Pending> queue_;
};

}  // namespace reeve::os
