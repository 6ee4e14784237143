#include "apps/gateway/options.hpp"

#include <charconv>
#include <utility>

#include "http/client.hpp"

namespace reeve::gateway {

static constexpr unsigned k_workers_max = 1024;

std::string_view usage() {
    return "usage: reeve-gateway [options]\n"
           "An OpenAI-compatible gateway for language models. Answers come from an embedded simulated model, or from an\n"
           "upstream.\n"
           "\n"
           "  --listen ADDR        where to listen (127.0.0.1:8080); port 0 takes a free one\n"
           "  --workers N          threads that run fibers at the same time (the CPUs of this process)\n"
           "  --profile NAME       pace of the model reeve-sim: instant, fast or default\n"
           "  --seed N             makes the simulated model repeat itself from start to start\n"
           "  --upstream URL       forward to this server, such as https://api.example.com/v1\n"
           "  --upstream-key KEY   sent to the upstream instead of the caller's key (or REEVE_UPSTREAM_KEY in the\n"
           "                       environment, where other users do not see it)\n"
           "  --upstream-ca FILE   PEM: authorities to trust besides the system's\n"
           "  --tls-cert FILE      PEM: serve HTTPS with this certificate chain\n"
           "  --tls-key FILE       PEM: its private key\n"
           "  --help               this text\n";
}

template <class Number>
static bool parse_number(std::string_view text, Number max, Number& out) {
    Number value{};
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size() || value > max) return false;
    out = value;
    return true;
}

namespace {

class CommandLine {
public:
    CommandLine(std::span<const std::string_view> arguments, std::string& problem)
        : arguments_(arguments), problem_(problem) {}

    std::optional<Options> parse() {
        while (next_ < arguments_.size())
            if (!take_option()) return std::nullopt;
        if (!check_together()) return std::nullopt;
        if (!upstream_.url.empty()) options_.upstream = std::move(upstream_);
        return std::move(options_);
    }

private:
    bool fail(std::string problem) {
        problem_ = std::move(problem);
        return false;
    }

    bool take_option() {
        const std::string_view argument = arguments_[next_++];
        const std::size_t equals = argument.starts_with("--") ? argument.find('=') : std::string_view::npos;
        name_ = argument.substr(0, equals);
        inline_value_.reset();
        if (equals != std::string_view::npos) inline_value_ = argument.substr(equals + 1);

        if (name_ == "--help" || name_ == "-h") return take_help();
        if (name_ == "--listen") return take_text(options_.listen);
        if (name_ == "--workers") return take_workers();
        if (name_ == "--profile") return take_profile();
        if (name_ == "--seed") return take_seed();
        if (name_ == "--upstream") return take_upstream();
        if (name_ == "--upstream-key") return take_text(upstream_.key);
        if (name_ == "--upstream-ca") return take_text(upstream_.ca_file);
        if (name_ == "--tls-cert") return take_text(options_.tls_certificate_file);
        if (name_ == "--tls-key") return take_text(options_.tls_key_file);
        return fail("unknown option '" + std::string(argument) + "'; --help lists them");
    }

    bool value_of_option(std::string_view& value) {
        if (inline_value_)
            value = *inline_value_;
        else if (next_ < arguments_.size())
            value = arguments_[next_++];
        else
            return fail(std::string(name_) + " needs a value");
        if (value.empty()) return fail(std::string(name_) + " needs a value that is not empty");
        return true;
    }

    bool take_text(std::string& into) {
        std::string_view value;
        if (!value_of_option(value)) return false;
        into = value;
        return true;
    }

    bool take_help() {
        if (inline_value_) return fail("--help takes no value");
        options_.is_help = true;
        return true;
    }

    bool take_workers() {
        std::string_view value;
        if (!value_of_option(value)) return false;
        if (parse_number(value, k_workers_max, options_.workers) && options_.workers > 0) return true;
        return fail("--workers must be a number from 1 to " + std::to_string(k_workers_max) + ", not '" +
                    std::string(value) + "'");
    }

    bool take_profile() {
        std::string_view value;
        if (!value_of_option(value)) return false;
        const auto profile = profile_of(value);
        if (!profile) return fail("--profile must be instant, fast or default, not '" + std::string(value) + "'");
        options_.profile = *profile;
        return true;
    }

    bool take_seed() {
        std::string_view value;
        if (!value_of_option(value)) return false;
        std::uint64_t seed = 0;
        if (!parse_number(value, UINT64_MAX, seed))
            return fail("--seed must be a number from 0 to 2^64 - 1, not '" + std::string(value) + "'");
        options_.seed = seed;
        return true;
    }

    bool take_upstream() {
        if (!take_text(upstream_.url)) return false;
        if (http::Url::parse(upstream_.url)) return true;
        return fail("--upstream must be a URL with http or https, not '" + upstream_.url + "'");
    }

    bool check_together() {
        if (options_.tls_certificate_file.empty() != options_.tls_key_file.empty())
            return fail("--tls-cert and --tls-key belong together");
        if (upstream_.url.empty() && !upstream_.key.empty()) return fail("--upstream-key needs --upstream");
        if (upstream_.url.empty() && !upstream_.ca_file.empty()) return fail("--upstream-ca needs --upstream");
        return true;
    }

    std::span<const std::string_view> arguments_;
    std::string& problem_;
    Options options_;
    Upstream upstream_;
    std::size_t next_ = 0;
    std::string_view name_;
    std::optional<std::string_view> inline_value_;
};

}  // namespace

std::optional<Options> parse_options(std::span<const std::string_view> arguments, std::string& problem) {
    return CommandLine(arguments, problem).parse();
}

}  // namespace reeve::gateway
