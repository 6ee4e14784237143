#include "apps/gateway/chat_request.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "apps/gateway/random.hpp"
#include "apps/gateway/text_source.hpp"
#include "http/json.hpp"

namespace reeve::gateway {

using http::Json;
using http::JsonDocument;

namespace {

// Collects the first problem; every check returns whether it passed.
class Checker {
public:
    Checker(Json body, ChatRequest& out, Problem& problem) : body_(body), out_(out), problem_(problem) {}

    bool run() {
        return read_model() && read_messages() && read_flag("stream", body_["stream"], out_.is_stream) &&
               read_stream_options() && read_tokens_max() && read_stop() && read_choices() &&
               read_integer("seed", INT64_MIN, INT64_MAX, out_.seed) && check_number("temperature", 0.0, 2.0) &&
               check_number("top_p", 0.0, 1.0);
    }

private:
    bool refuse(std::string_view param, std::string message, std::string_view code = {}) {
        problem_ = {400, std::move(message), "invalid_request_error", std::string(param), std::string(code)};
        return false;
    }
    // `expected` completes the sentence "... must be ...".
    bool refuse_type(std::string_view param, std::string_view expected) {
        return refuse(param, "'" + std::string(param) + "' must be " + std::string(expected) + ".", "invalid_type");
    }
    // Clients send null for what they leave out.
    static bool is_absent(Json value) { return !value.exists() || value.is_null(); }

    bool read_model() {
        const Json model = body_["model"];
        if (is_absent(model))
            return refuse("model", "You must provide a model parameter.", "missing_required_parameter");
        if (!model.is_string()) return refuse_type("model", "a string");
        out_.model = *model.as_string();
        return true;
    }

    bool read_messages() {
        // What chat templates add around each message, about.
        constexpr std::size_t k_tokens_per_message = 4;

        const Json messages = body_["messages"];
        if (is_absent(messages))
            return refuse("messages", "Missing required parameter: 'messages'.", "missing_required_parameter");
        if (!messages.is_array()) return refuse_type("messages", "an array");
        if (messages.size() == 0) return refuse("messages", "'messages' must not be empty.", "empty_array");
        for (std::size_t i = 0; i < messages.size(); ++i) {
            const std::string place = "messages[" + std::to_string(i) + "]";
            if (!read_message(messages[i], place)) return false;
            out_.prompt_tokens += k_tokens_per_message;
        }
        out_.topic = topic_of(last_text_);
        return true;
    }

    bool read_message(Json message, const std::string& place) {
        static constexpr std::array k_roles = std::to_array<std::string_view>(
            {"system", "developer", "user", "assistant", "tool", "function"});

        if (!message.is_object()) return refuse_type(place, "an object");
        const auto role = message["role"].as_string();
        if (!role || std::find(k_roles.begin(), k_roles.end(), *role) == k_roles.end())
            return refuse(place + ".role",
                          "'" + place + ".role' must be one of system, developer, user, assistant, tool, function.",
                          "invalid_value");
        add_text(*role);
        const Json content = message["content"];
        if (is_absent(content)) {
            // An assistant's turn may consist of tool calls alone.
            if (*role == "assistant") return true;
            return refuse(place + ".content", "'" + place + ".content' is missing.", "missing_required_parameter");
        }
        if (const auto text = content.as_string()) {
            add_text(*text);
            last_text_ = *text;
            return true;
        }
        if (!content.is_array()) return refuse_type(place + ".content", "a string or an array of content parts");
        for (std::size_t i = 0; i < content.size(); ++i)
            if (!read_part(content[i], place + ".content[" + std::to_string(i) + "]")) return false;
        return true;
    }

    bool read_part(Json part, const std::string& place) {
        if (!part.is_object() || !part["type"].is_string())
            return refuse_type(place, "an object with a string 'type'");
        if (*part["type"].as_string() != "text") return true;  // images, audio, files
        const auto text = part["text"].as_string();
        if (!text) return refuse_type(place + ".text", "a string");
        add_text(*text);
        last_text_ = *text;
        return true;
    }

    void add_text(std::string_view text) {
        // FNV-1a: stable between builds, which std::hash need not be.
        std::uint64_t hash = 0xcbf29ce484222325ULL;
        for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        out_.prompt_hash = Random::combine(out_.prompt_hash, hash);
        out_.prompt_tokens += approximate_tokens(text);
    }

    bool read_flag(std::string_view param, Json value, bool& into) {
        if (is_absent(value)) return true;
        if (!value.is_bool()) return refuse_type(param, "a boolean");
        into = *value.as_bool();
        return true;
    }

    bool read_stream_options() {
        const Json options = body_["stream_options"];
        if (is_absent(options)) return true;
        if (!options.is_object()) return refuse_type("stream_options", "an object");
        return read_flag("stream_options.include_usage", options["include_usage"], out_.has_usage_chunk);
    }

    bool read_integer(std::string_view param, std::int64_t min, std::int64_t max, std::optional<std::int64_t>& into) {
        const Json value = body_[param];
        if (is_absent(value)) return true;
        const auto number = value.as_int();
        if (!number) return refuse_type(param, "an integer");
        if (*number < min)
            return refuse(param, "'" + std::string(param) + "' must be at least " + std::to_string(min) + ".",
                          "integer_below_min_value");
        if (*number > max)
            return refuse(param, "'" + std::string(param) + "' must be at most " + std::to_string(max) + ".",
                          "integer_above_max_value");
        into = *number;
        return true;
    }

    bool read_tokens_max() {
        std::optional<std::int64_t> newer;
        if (!read_integer("max_tokens", 1, INT64_MAX, out_.tokens_max) ||
            !read_integer("max_completion_tokens", 1, INT64_MAX, newer))
            return false;
        if (newer) out_.tokens_max = newer;
        return true;
    }

    bool read_choices() {
        std::optional<std::int64_t> choices;
        if (!read_integer("n", 1, ChatRequest::k_choices_max, choices)) return false;
        if (choices) out_.choices = static_cast<unsigned>(*choices);
        return true;
    }

    bool read_stop() {
        const Json stop = body_["stop"];
        if (is_absent(stop)) return true;
        if (const auto text = stop.as_string()) {
            if (!text->empty()) out_.stop.emplace_back(*text);
            return true;
        }
        if (!stop.is_array()) return refuse_type("stop", "a string or an array of strings");
        if (stop.size() > ChatRequest::k_stops_max)
            return refuse("stop", "'stop' may hold " + std::to_string(ChatRequest::k_stops_max) + " strings at most.",
                          "array_above_max_length");
        for (std::size_t i = 0; i < stop.size(); ++i) {
            const auto text = stop[i].as_string();
            if (!text) return refuse_type("stop[" + std::to_string(i) + "]", "a string");
            if (!text->empty()) out_.stop.emplace_back(*text);
        }
        return true;
    }

    // Accepted and without effect; a wrong value is still a mistake of the caller's.
    bool check_number(std::string_view param, double min, double max) {
        const Json value = body_[param];
        if (is_absent(value)) return true;
        const auto number = value.as_double();
        if (!number) return refuse_type(param, "a number");
        if (*number >= min && *number <= max) return true;
        const std::string highest = std::to_string(static_cast<int>(max));
        return refuse(param, "'" + std::string(param) + "' must be between 0 and " + highest + ".",
                      "decimal_out_of_range");
    }

    Json body_;
    ChatRequest& out_;
    Problem& problem_;
    std::string_view last_text_;
};

std::optional<JsonDocument> parse_object(std::string_view body, Problem& problem) {
    std::string what;
    auto document = JsonDocument::parse(body, &what);
    if (!document) {
        problem = {400, "The body of the request is not valid JSON: " + what, "invalid_request_error", "",
                   "invalid_json"};
        return std::nullopt;
    }
    if (!document->root().is_object()) {
        problem = {400, "The body of the request must be a JSON object.", "invalid_request_error", "", "invalid_type"};
        return std::nullopt;
    }
    return std::move(document).value();
}

}  // namespace

std::optional<ChatRequest> parse_chat_request(std::string_view body, Problem& problem) {
    const auto document = parse_object(body, problem);
    if (!document) return std::nullopt;
    ChatRequest request;
    if (!Checker(document->root(), request, problem).run()) return std::nullopt;
    return request;
}

std::optional<bool> parse_stream_flag(std::string_view body, Problem& problem) {
    const auto document = parse_object(body, problem);
    if (!document) return std::nullopt;
    return (*document)["stream"].bool_or(false);
}

}  // namespace reeve::gateway
