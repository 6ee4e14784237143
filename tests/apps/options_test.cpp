#include "apps/gateway/options.hpp"

#include <csignal>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using reeve::gateway::Options;
using reeve::gateway::parse_options;

static std::optional<Options> parse(const std::vector<std::string_view>& arguments, std::string& problem) {
    return parse_options(arguments, problem);
}

TEST_CASE("gateway options: defaults", "[gateway]") {
    std::string problem;
    const auto options = parse({}, problem);
    REQUIRE(options.has_value());
    CHECK(options->listen == "127.0.0.1:8080");
    CHECK(options->workers == 0);
    CHECK(options->profile.name == "default");
    CHECK(!options->seed);
    CHECK(!options->upstream);
    CHECK(!options->is_help);
}

TEST_CASE("gateway options: all of them, in both spellings", "[gateway]") {
    std::string problem;
    const auto options = parse({"--listen", ":0", "--workers=3", "--profile", "fast", "--seed=18446744073709551615",
                                "--upstream", "https://a.example/v1", "--upstream-key=k", "--upstream-ca", "ca.pem",
                                "--tls-cert=c.pem", "--tls-key", "k.pem", "--help"},
                               problem);
    INFO(problem);
    REQUIRE(options.has_value());
    CHECK(options->listen == ":0");
    CHECK(options->workers == 3);
    CHECK(options->profile.name == "fast");
    CHECK(options->seed == UINT64_MAX);
    REQUIRE(options->upstream.has_value());
    CHECK(options->upstream->url == "https://a.example/v1");
    CHECK(options->upstream->key == "k");
    CHECK(options->upstream->ca_file == "ca.pem");
    CHECK(options->tls_certificate_file == "c.pem");
    CHECK(options->tls_key_file == "k.pem");
    CHECK(options->is_help);
}

TEST_CASE("gateway options: each mistake is one line that names the option", "[gateway]") {
    const std::pair<std::vector<std::string_view>, const char*> cases[] = {
        {{"--verbose"}, "--verbose"},
        {{"8080"}, "8080"},
        {{"--listen"}, "--listen"},
        {{"--listen="}, "--listen"},
        {{"--workers", "0"}, "--workers"},
        {{"--workers", "many"}, "--workers"},
        {{"--workers", "-1"}, "--workers"},
        {{"--workers", "2000"}, "--workers"},
        {{"--profile", "slow"}, "--profile"},
        {{"--seed", "1.5"}, "--seed"},
        {{"--seed", "99999999999999999999"}, "--seed"},
        {{"--upstream", "ftp://x"}, "--upstream"},
        {{"--upstream", "nonsense"}, "--upstream"},
        {{"--upstream-key", "k"}, "--upstream-key"},
        {{"--upstream-ca", "f"}, "--upstream-ca"},
        {{"--tls-cert", "f"}, "--tls-key"},
        {{"--tls-key", "f"}, "--tls-cert"},
        {{"--help=yes"}, "--help"},
    };
    for (const auto& [arguments, name] : cases) {
        std::string problem;
        INFO(arguments[0]);
        CHECK(!parse(arguments, problem));
        INFO(problem);
        CHECK(problem.find(name) != std::string::npos);
        CHECK(problem.find('\n') == std::string::npos);
    }
}

TEST_CASE("reeve-gateway: exit statuses and what it prints", "[gateway]") {
    const std::string gateway = reeve::test::program("reeve-gateway");
    const auto wrong = reeve::test::run_child({gateway, "--port", "1"});
    CHECK(wrong.exit_status == 2);
    CHECK(wrong.err == "reeve-gateway: unknown option '--port'; --help lists them\n");
    const auto help = reeve::test::run_child({gateway, "--help"});
    CHECK(help.exit_status == 0);
    CHECK(help.out.find("--upstream-ca") != std::string::npos);
    const auto no_file = reeve::test::run_child({gateway, "--listen", "127.0.0.1:0", "--tls-cert", "/nonexistent",
                                                 "--tls-key", "/nonexistent"});
    CHECK(no_file.exit_status == 1);
    CHECK(no_file.err.find("/nonexistent") != std::string::npos);
}

TEST_CASE("reeve-gateway: announces itself in one line and ends with 0 at SIGTERM", "[gateway]") {
    reeve::test::Child child({reeve::test::program("reeve-gateway"), "--listen", "127.0.0.1:0"});
    REQUIRE(child.wait_for_text("\n"));
    CHECK(child.out().find("http://127.0.0.1:") != std::string::npos);
    CHECK(child.out().find("http://127.0.0.1:0") == std::string::npos);
    CHECK(child.out().find("reeve-sim, reeve-sim-fast, reeve-sim-instant") != std::string::npos);
    CHECK(child.out().find("curl -N http") != std::string::npos);
    if (reeve::test::is_thread_sanitized()) {
        WARN("SIGTERM is left out: ThreadSanitizer keeps signals back from threads that wait");
        child.send_signal(SIGKILL);
        (void)child.wait();
        return;
    }
    child.send_signal(SIGTERM);
    const auto& end = child.wait();
    CHECK(end.exit_status == 0);
    CHECK(end.err == "");
}
