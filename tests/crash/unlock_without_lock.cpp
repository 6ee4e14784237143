// Must die: a mutex is unlocked that nobody has locked.
#include "runtime/runtime.hpp"

int main() {
    reeve::run([] {
        reeve::Mutex mutex;
        mutex.unlock();
    });
}
