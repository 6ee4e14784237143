#include "tests/model/kernel.hpp"

#include <cerrno>

namespace reeve_model {

void Kernel::push(const os::Request& request) {
    reeve::model::access();
    if (times_closed != 0 && request.opcode != os::Opcode::cancel) reeve::model::fail("a request for a number that was given back");
    queued_.push_back(request);
}

void Kernel::submit() {
    reeve::model::access();
    while (!queued_.empty()) {
        const os::Request request = queued_.front();
        queued_.pop_front();
        take(request);
    }
}

void Kernel::take(const os::Request& request) {
    if (request.opcode != os::Opcode::cancel) {
        in_flight_.push_back(request);
        if (is_shut_down) end(in_flight_.size() - 1, 0);
        return;
    }
    for (std::size_t i = 0; i < in_flight_.size(); ++i)
        if (in_flight_[i].user_data == request.user_data) return end(i, -ECANCELED);
}

void Kernel::end(std::size_t index, std::int32_t result) {
    done_.push_back({in_flight_[index].user_data, result});
    in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(index));
}

bool Kernel::complete_one(std::int32_t result) {
    reeve::model::access();
    if (in_flight_.empty()) return false;
    end(0, result);
    return true;
}

void Kernel::cancel_all() {
    reeve::model::access();
    while (!in_flight_.empty()) end(0, -ECANCELED);
}

void Kernel::shut_down() {
    reeve::model::access();
    is_shut_down = true;
    while (!in_flight_.empty()) end(0, 0);
}

void Kernel::close() {
    reeve::model::access();
    if (++times_closed != 1) reeve::model::fail("given back twice");
    if (has_in_flight()) reeve::model::fail("given back while the kernel has a request for it");
    for (const os::Request& request : queued_)
        if (request.opcode != os::Opcode::cancel) reeve::model::fail("given back before a request for it got to the kernel");
}

}  // namespace reeve_model
