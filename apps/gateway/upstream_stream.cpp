#include "apps/gateway/upstream_stream.hpp"

namespace reeve::gateway {

static std::string_view without_space(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

bool is_error_frame(std::string_view data) {
    data = without_space(data);
    if (!data.starts_with('{')) return false;
    data = without_space(data.substr(1));
    if (!data.starts_with("\"error\"")) return false;
    data = without_space(data.substr(7));
    if (!data.starts_with(':')) return false;
    // "error":null comes from servers that name every field.
    return !without_space(data.substr(1)).starts_with("null");
}

bool has_finish_reason(std::string_view data) {
    constexpr std::string_view k_name = "\"finish_reason\"";
    for (std::size_t at = data.find(k_name); at != std::string_view::npos; at = data.find(k_name, at)) {
        at += k_name.size();
        std::string_view rest = without_space(data.substr(at));
        if (!rest.starts_with(':')) continue;
        rest = without_space(rest.substr(1));
        if (rest.starts_with('"') && !rest.starts_with("\"\"")) return true;
    }
    return false;
}

UpstreamStream::Verdict UpstreamStream::take(const http::ServerEvent& event, std::string& out) {
    const std::string_view data = without_space(event.data);
    // A named event other than an error is no chunk of a completion ("ping"), and empty data breaks every client.
    if (data.empty() || (!event.event.empty() && event.event != "message" && event.event != "error"))
        return Verdict::skip;
    if (data.starts_with("[DONE]")) return finish();
    out.append("data: ");
    // A line end in JSON is mere space, since strings have it escaped; one line is safer.
    for (const char c : data) out.push_back(c == '\n' || c == '\r' ? ' ' : c);
    out.append("\n\n");
    if (is_error_frame(data)) return Verdict::failed;
    has_finished_ = has_finished_ || has_finish_reason(data);
    return Verdict::pass;
}

}  // namespace reeve::gateway
