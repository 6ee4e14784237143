// Must die: a scope is left by another fiber than the one that made it.
#include <memory>

#include "runtime/runtime.hpp"

int main() {
    reeve::run([] {
        auto scope = std::make_unique<reeve::Scope>();
        reeve::spawn([&] { scope.reset(); }).join();
    });
}
