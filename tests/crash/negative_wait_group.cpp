// Must die: more are done than were added.
#include "runtime/runtime.hpp"

int main() {
    reeve::run([] {
        reeve::WaitGroup group;
        group.add();
        group.done();
        group.done();
    });
}
