#include "http/request.hpp"

#include <algorithm>
#include <cstring>

#include "http/connection.hpp"
#include "http/message.hpp"

namespace reeve::http {

std::string_view Request::path() const {
    const std::string_view target = head_.target;
    return target.substr(0, target.find('?'));
}

std::string_view Request::query_string() const {
    const std::string_view target = head_.target;
    const std::size_t mark = target.find('?');
    return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

std::optional<std::string> Request::query(std::string_view name) const {
    std::string_view rest = query_string();
    std::string decoded;
    while (!rest.empty()) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
        const std::size_t equals = pair.find('=');
        if (!percent_decode(pair.substr(0, equals), decoded, true) || decoded != name) continue;
        if (equals == std::string_view::npos) return std::string();
        if (!percent_decode(pair.substr(equals + 1), decoded, true)) return std::string(pair.substr(equals + 1));
        return decoded;
    }
    return std::nullopt;
}

std::string_view Request::path_value(std::string_view name) const {
    for (const PathValue& value : path_values_)
        if (value.name == name) return value.value;
    return {};
}

Result<std::string_view> Request::body(Deadline deadline) {
    if (!body_whole_) {
        if (head_.has_length && head_.content_length <= body_limit_)
            body_.reserve(static_cast<std::size_t>(head_.content_length));
        for (;;) {
            const Result<std::string_view> piece = connection_->read_piece(deadline);
            if (!piece) {
                if (piece.error() == Errc::eof) break;
                return piece.error();
            }
            body_.append(*piece);
        }
        body_whole_ = true;
        connection_->body_was_read();
    }
    return std::string_view(body_);
}

Result<std::string> Request::take_body(Deadline deadline) {
    if (const auto whole = body(deadline); !whole) return whole.error();
    return std::move(body_);
}

Result<std::size_t> Request::read(std::span<std::byte> into, Deadline deadline) {
    if (piece_.empty()) {
        const Result<std::string_view> piece = connection_->read_piece(deadline);
        if (!piece) return piece.error();
        piece_ = *piece;
    }
    const std::size_t count = std::min(into.size(), piece_.size());
    std::memcpy(into.data(), piece_.data(), count);
    piece_.remove_prefix(count);
    return count;
}

std::string Request::remote_address() const { return connection_->remote_address(); }

bool Request::is_tls() const { return connection_->is_tls(); }

bool Request::cancelled() const { return connection_->is_cancelled(); }

}  // namespace reeve::http
