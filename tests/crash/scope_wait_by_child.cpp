// Must die: a fiber of a scope waits for the scope, which is not over before the fiber is.
#include "runtime/runtime.hpp"

int main() {
    reeve::run([] {
        reeve::Scope scope;
        scope.spawn([&] { (void)scope.wait(); });
    });
}
