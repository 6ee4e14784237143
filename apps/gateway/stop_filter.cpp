#include "apps/gateway/stop_filter.hpp"

#include <algorithm>

namespace reeve::gateway {

bool StopFilter::feed(std::string_view token, std::string& out) {
    if (stops_.empty()) {
        out.append(token);
        return true;
    }
    held_.append(token);
    std::size_t found = std::string::npos;
    for (const std::string& stop : stops_) found = std::min(found, held_.find(stop));
    if (found != std::string::npos) {
        out.append(held_, 0, found);
        held_.clear();
        return false;
    }
    // The longest end of the text that begins a stop sequence.
    std::size_t keep = 0;
    for (const std::string& stop : stops_) {
        for (std::size_t length = std::min(stop.size() - 1, held_.size()); length > keep; --length) {
            if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, length))) keep = length;
        }
    }
    out.append(held_, 0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
    return true;
}

void StopFilter::finish(std::string& out) {
    out.append(held_);
    held_.clear();
}

}  // namespace reeve::gateway
