#include "http/sse.hpp"

#include <algorithm>
#include <cstring>

namespace reeve::http {

// What a parser between two events may keep of the memory that a large one needed.
static constexpr std::size_t k_kept_bytes = 4096;

void SseParser::feed(std::string_view bytes) {
    // What has been taken is dropped here, once per arrival, so that the cost stays linear in the bytes.
    if (consumed_ > 0) {
        if (consumed_ == input_.size() && input_.capacity() > k_kept_bytes)
            input_ = std::string();
        else
            input_.erase(0, consumed_);
        scanned_ -= consumed_;
        consumed_ = 0;
    }
    input_.append(bytes);
    if (!started_ && input_.size() >= 3) {
        started_ = true;
        if (input_.compare(0, 3, "\xef\xbb\xbf") == 0) consumed_ = scanned_ = 3;
    }
}

void SseParser::finish() { finished_ = true; }

std::size_t SseParser::buffered_bytes() const {
    return input_.size() - consumed_ + pending_.data.size() + pending_.event.size() + pending_.id.size();
}

void SseParser::take_line(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == 0) return;  // a comment
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    if (field == "data") {
        if (has_data_) pending_.data.push_back('\n');
        pending_.data.append(value);
        has_data_ = true;
    } else if (field == "event") {
        pending_.event = value;
    } else if (field == "id" && value.find('\0') == std::string_view::npos) {
        pending_.id = value;
    }
}

bool SseParser::dispatch(ServerEvent& out) {
    // A block without data is no event, by the standard; its other fields are forgotten with it.
    const bool is_event = has_data_;
    if (is_event) out = std::move(pending_);
    pending_ = ServerEvent();
    has_data_ = false;
    return is_event;
}

Result<std::optional<ServerEvent>> SseParser::next() {
    if (too_large_) return Error(Errc::too_large, "server-sent event");
    if (!started_ && !finished_) return std::optional<ServerEvent>();
    ServerEvent event;
    for (;;) {
        if (skip_lf_ && consumed_ < input_.size()) {
            if (input_[consumed_] == '\n') scanned_ = ++consumed_;
            skip_lf_ = false;
        }
        const std::string_view fresh = std::string_view(input_).substr(scanned_);
        const auto* lf = static_cast<const char*>(std::memchr(fresh.data(), '\n', fresh.size()));
        const std::size_t lf_at = lf ? static_cast<std::size_t>(lf - fresh.data()) : fresh.size();
        const auto* cr = static_cast<const char*>(std::memchr(fresh.data(), '\r', lf_at));
        const std::size_t end = cr ? static_cast<std::size_t>(cr - fresh.data()) : lf_at;

        if (end == fresh.size()) {
            scanned_ = input_.size();
            if (buffered_bytes() > event_bytes_max_) {
                too_large_ = true;
                return Error(Errc::too_large, "server-sent event");
            }
            if (!finished_) return std::optional<ServerEvent>();
            // The last line lacks its end, or the last event its blank line.
            take_line(std::string_view(input_).substr(consumed_));
            consumed_ = scanned_ = input_.size();
            if (dispatch(event)) return std::optional<ServerEvent>(std::move(event));
            return std::optional<ServerEvent>();
        }

        const std::size_t line_end = scanned_ + end;
        const std::string_view line = std::string_view(input_).substr(consumed_, line_end - consumed_);
        skip_lf_ = input_[line_end] == '\r';
        const bool is_blank = line.empty();
        if (!is_blank) take_line(line);
        consumed_ = scanned_ = line_end + 1;
        if (is_blank && dispatch(event)) return std::optional<ServerEvent>(std::move(event));
        if (pending_.data.size() > event_bytes_max_) {
            too_large_ = true;
            return Error(Errc::too_large, "server-sent event");
        }
    }
}

}  // namespace reeve::http
