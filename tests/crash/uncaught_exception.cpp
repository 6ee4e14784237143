// Must die: nobody catches what this fiber throws.
#include <stdexcept>

#include "runtime/runtime.hpp"

int main() {
    reeve::run([] {
        reeve::go({.name = "thrower"}, [] { throw std::runtime_error("nobody catches this"); });
        (void)reeve::sleep_for(std::chrono::seconds(20));
    });
}
