// IoEngines: the engine of each processor, all of one kind, chosen when the runtime starts.
//
// Idea. `automatic` takes io_uring, and epoll where the kernel refuses it: EPERM under a container's seccomp profile, ENOSYS, ENOMEM
// where memory to be locked is short, a kernel before Linux 6.1. That is told by stats() and the dump, not by a message: the
// program does the same with either.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/config.hpp"
#include "runtime/os/file_threads.hpp"
#include "runtime/os/io_engine.hpp"

namespace reeve::sched {

class IoEngines {
public:
    // Ends the process with advice when io_uring is demanded and refused.
    IoEngines(const Config& config, unsigned count);

    [[nodiscard]] os::IoEngine& engine(unsigned number) const { return *engines_[number]; }
    // Null: the engines are rings, which take every request.
    [[nodiscard]] os::FileThreads* file_threads() const { return file_threads_.get(); }

    [[nodiscard]] const char* name() const { return file_threads_ ? "epoll" : "io_uring"; }
    [[nodiscard]] int refusal() const { return refusal_; }  // the errno with which io_uring is refused; 0: it is not
    [[nodiscard]] std::string text() const;                 // which, and why

private:
    [[nodiscard]] int make_rings(const Config& config, unsigned count);  // 0 or the errno

    std::vector<std::unique_ptr<os::IoEngine>> engines_;
    // Ends before the engines do: a thread whose request is done, and told of, may still be about to wake the engine.
    std::unique_ptr<os::FileThreads> file_threads_;
    int refusal_ = 0;
};

}  // namespace reeve::sched
