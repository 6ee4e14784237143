#include "apps/gateway/chunks.hpp"

#include "http/json.hpp"
#include "http/message.hpp"
#include "http/text.hpp"

namespace reeve::gateway {

using http::append_json_string;
using http::append_number;

static std::string rendered_beginning(const CompletionId& who, std::string_view object) {
    std::string out = "{\"id\":";
    append_json_string(out, who.id);
    out.append(",\"object\":\"").append(object).append("\",\"created\":");
    append_number(out, who.created);
    out.append(",\"model\":");
    append_json_string(out, who.model);
    return out;
}

static void append_usage_object(std::string& out, const Usage& usage) {
    out.append(",\"usage\":{\"prompt_tokens\":");
    append_number(out, usage.prompt_tokens);
    out.append(",\"completion_tokens\":");
    append_number(out, usage.completion_tokens);
    out.append(",\"total_tokens\":");
    append_number(out, usage.prompt_tokens + usage.completion_tokens);
    out.append("}");
}

CompletionChunks::CompletionChunks(const CompletionId& who, bool has_usage)
    : beginning_("data: " + rendered_beginning(who, "chat.completion.chunk")), has_usage_(has_usage) {
    if (has_usage_) beginning_.append(",\"usage\":null");
    beginning_.append(",\"choices\":[");
}

void CompletionChunks::begin_choice(std::string& out, unsigned choice) const {
    out.append(beginning_).append("{\"index\":");
    append_number(out, choice);
}

void CompletionChunks::append_role(std::string& out, unsigned choice) const {
    begin_choice(out, choice);
    out.append(",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
}

void CompletionChunks::append_delta(std::string& out, unsigned choice, std::string_view text) const {
    begin_choice(out, choice);
    out.append(",\"delta\":{\"content\":");
    append_json_string(out, text);
    out.append("},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
}

void CompletionChunks::append_finish(std::string& out, unsigned choice, std::string_view reason) const {
    begin_choice(out, choice);
    out.append(",\"delta\":{},\"logprobs\":null,\"finish_reason\":\"").append(reason).append("\"}]}\n\n");
}

void CompletionChunks::append_usage(std::string& out, const Usage& usage) const {
    // The same beginning, less the "usage":null that this chunk says better.
    constexpr std::string_view k_no_usage = ",\"usage\":null,\"choices\":[";
    std::string_view beginning = beginning_;
    if (has_usage_) beginning.remove_suffix(k_no_usage.size());
    else beginning.remove_suffix(std::string_view(",\"choices\":[").size());
    out.append(beginning).append(",\"choices\":[]");
    append_usage_object(out, usage);
    out.append("}\n\n");
}

void append_error_frame(std::string& out, std::string_view message, std::string_view type, std::string_view code) {
    out.append("data: ").append(http::error_json(500, message, type, {}, code)).append("\n\n");
}

CompletionText::CompletionText(const CompletionId& who) : out_(rendered_beginning(who, "chat.completion")) {
    out_.append(",\"choices\":[");
}

void CompletionText::add_choice(std::string_view text, std::string_view finish_reason) {
    out_.append(choices_ == 0 ? "{\"index\":" : ",{\"index\":");
    append_number(out_, choices_++);
    out_.append(",\"message\":{\"role\":\"assistant\",\"content\":");
    append_json_string(out_, text);
    out_.append(",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"").append(finish_reason).append("\"}");
}

std::string CompletionText::finish(const Usage& usage) {
    out_.append("]");
    append_usage_object(out_, usage);
    out_.append("}");
    return std::move(out_);
}

}  // namespace reeve::gateway
