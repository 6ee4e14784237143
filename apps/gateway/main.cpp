// reeve-gateway: an OpenAI-compatible gateway with an embedded simulated model, or in front of an upstream.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "apps/gateway/gateway.hpp"
#include "apps/gateway/options.hpp"
#include "http/server.hpp"
#include "net/tls.hpp"
#include "runtime/config.hpp"
#include "runtime/run.hpp"

namespace {

using reeve::gateway::Options;

constexpr int k_exit_failed = 1;
constexpr int k_exit_usage = 2;

int fail(const std::string& what, const reeve::Error& error) {
    std::fprintf(stderr, "reeve-gateway: %s: %s\n", what.c_str(), error.text().c_str());
    return k_exit_failed;
}

// The exit status if it cannot, else 0.
int listen(reeve::http::Server& server, const Options& options) {
    reeve::Result<void> listening;
    if (options.tls_certificate_file.empty()) {
        listening = server.listen(options.listen);
    } else {
        reeve::net::TlsServerOptions tls;
        tls.certificate_file = options.tls_certificate_file;
        tls.key_file = options.tls_key_file;
        const auto config = reeve::net::TlsConfig::server(tls);
        if (!config)
            return fail("cannot use the certificate " + tls.certificate_file + " with the key " + tls.key_file,
                        config.error());
        listening = server.listen_tls(options.listen, *config);
    }
    return listening ? 0 : fail("cannot listen on " + options.listen, listening.error());
}

// One line, with something to paste.
void announce(const reeve::gateway::Gateway& gateway, const Options& options, unsigned port) {
    const std::size_t colon = options.listen.rfind(':');
    std::string host = options.listen.substr(0, colon);
    if (host.empty() || host == "0.0.0.0" || host == "[::]") host = "127.0.0.1";
    const bool is_tls = !options.tls_certificate_file.empty();
    const std::string url = (is_tls ? "https://" : "http://") + host + ":" + std::to_string(port);
    std::string models;
    for (const std::string& name : gateway.model_names()) models += (models.empty() ? "models " : ", ") + name;
    if (options.upstream) models = "forwarding to " + options.upstream->url;
    const char* model = options.upstream ? "MODEL" : "reeve-sim";
    std::printf("reeve-gateway: listening on %s, %s; try: curl -N%s %s/v1/chat/completions "
                "-H 'Content-Type: application/json' "
                "-d '{\"model\":\"%s\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'\n",
                url.c_str(), models.c_str(), is_tls ? "k" : "", url.c_str(), model);
    std::fflush(stdout);
}

int serve(const Options& options) {
    std::unique_ptr<reeve::gateway::Forwarder> forwarder;
    if (options.upstream) {
        auto made = reeve::gateway::Forwarder::make(*options.upstream);
        if (!made) {
            const std::string& file = options.upstream->ca_file;
            const std::string what = options.upstream->url + (file.empty() ? "" : " with " + file);
            return fail("cannot use the upstream " + what, made.error());
        }
        forwarder = std::move(made).value();
    }
    const std::uint64_t seed = options.seed ? *options.seed : std::uint64_t{std::random_device()()};
    reeve::gateway::Gateway gateway(seed, options.profile, std::move(forwarder));
    reeve::http::Server server;
    gateway.add_routes(server);
    if (const int status = listen(server, options); status != 0) return status;
    const auto served = server.serve_until_signal([&] { announce(gateway, options, server.port()); });
    if (!served) return fail("serving ended", served.error());
    return 0;
}

}  // namespace

int main(int argument_count, char** argument_values) {
    const std::vector<std::string_view> arguments(argument_values + 1, argument_values + argument_count);
    std::string problem;
    auto options = reeve::gateway::parse_options(arguments, problem);
    if (!options) {
        std::fprintf(stderr, "reeve-gateway: %s\n", problem.c_str());
        return k_exit_usage;
    }
    if (options->is_help) {
        std::fputs(std::string(reeve::gateway::usage()).c_str(), stdout);
        return 0;
    }
    if (options->upstream && options->upstream->key.empty())
        if (const char* key = std::getenv("REEVE_UPSTREAM_KEY")) options->upstream->key = key;
    reeve::Config config = reeve::Config::from_env();
    if (options->workers > 0) config.workers = options->workers;
    return reeve::run(config, [&] { return serve(*options); });
}
