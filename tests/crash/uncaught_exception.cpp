// Must die: nobody catches what this fiber throws. With an argument its closure owns what would wait for ever if it were destroyed.
#include <stdexcept>

#include "runtime/runtime.hpp"

int main(int argc, char**) {
    reeve::run([argc] {
        if (argc == 1) {
            reeve::go({.name = "thrower"}, [] { throw std::runtime_error("nobody catches this"); });
        } else {
            auto never = reeve::spawn([] {
                const reeve::Shield shield;
                (void)reeve::sleep_for(std::chrono::hours(1));
            });
            reeve::go({.name = "thrower"}, [never = std::move(never)] { throw std::runtime_error("nobody catches this"); });
        }
        (void)reeve::sleep_for(std::chrono::seconds(20));
    });
}
