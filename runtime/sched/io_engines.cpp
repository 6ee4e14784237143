#include "runtime/sched/io_engines.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/base/assert.hpp"
#include "runtime/os/epoll.hpp"
#include "runtime/os/ring.hpp"
#include "runtime/sched/preempt.hpp"

namespace reeve::sched {

IoEngines::IoEngines(const Config& config, unsigned count) {
    if (config.io != Io::epoll) {
        refusal_ = make_rings(config, count);
        if (refusal_ == 0) return;
        if (config.io == Io::io_uring)
            fatal("io_uring is demanded (Config::io, REEVE_IO) and refused (errno %d, %s): it needs Linux 6.1 or newer, a seccomp "
                  "profile that allows it (Docker's default one does not) and memory that may be locked (`ulimit -l`). With "
                  "`automatic` epoll takes its place", refusal_, strerror(refusal_));
    }
    const unsigned most_threads = std::max(config.max_threads / 8, 4U);  // beside those of the workers
    file_threads_ = std::make_unique<os::FileThreads>(preempt_signal(config), most_threads);
    for (unsigned i = 0; i < count; ++i) engines_.push_back(std::make_unique<os::Epoll>(*file_threads_));
}

std::string IoEngines::text() const {
    if (!file_threads_) return name();
    if (refusal_ == 0) return std::string(name()) + ", as configured";
    return std::string(name()) + ", since io_uring is refused (errno " + std::to_string(refusal_) + ", " + strerror(refusal_) + ")";
}

int IoEngines::make_rings(const Config& config, unsigned count) {
    int error = 0;
    for (unsigned i = 0; i < count && error == 0; ++i) engines_.push_back(os::Ring::make(config.ring_entries, error));
    if (error != 0) engines_.clear();
    return error;
}

}  // namespace reeve::sched
