#include "net/tls_memory.hpp"

#include <openssl/bio.h>

#include <algorithm>
#include <cstring>

#include "runtime/base/assert.hpp"

namespace reeve::net {

namespace {

TlsMemory& memory_of(BIO* bio) { return *static_cast<TlsMemory*>(BIO_get_data(bio)); }

int on_read(BIO* bio, char* into, int bytes) {
    BIO_clear_retry_flags(bio);
    const std::size_t moved =
        memory_of(bio).consume(reinterpret_cast<std::byte*>(into), static_cast<std::size_t>(bytes));
    if (moved > 0) return static_cast<int>(moved);
    BIO_set_retry_read(bio);  // "nothing yet": the engine answers "want read"
    return -1;
}

int on_write(BIO* bio, const char* bytes, int count) {
    BIO_clear_retry_flags(bio);
    memory_of(bio).produce(bytes, static_cast<std::size_t>(count));
    return count;
}

long on_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* make_method() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "reeve memory");
    REEVE_CHECK(method != nullptr);
    BIO_meth_set_read(method, on_read);
    BIO_meth_set_write(method, on_write);
    BIO_meth_set_ctrl(method, on_control);
    return method;
}

}  // namespace

bio_st* TlsMemory::make_bio() {
    static BIO_METHOD* const method = make_method();
    BIO* bio = BIO_new(method);
    if (!bio) return nullptr;
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    return bio;
}

std::span<std::byte> TlsMemory::space() {
    REEVE_CHECK(is_consumed());
    const std::size_t wanted = was_filled_ ? k_large_bytes : k_small_bytes;
    if (capacity_ != wanted) {
        incoming_ = std::make_unique_for_overwrite<std::byte[]>(wanted);
        capacity_ = wanted;
    }
    return {incoming_.get(), capacity_};
}

void TlsMemory::commit(std::size_t bytes) {
    REEVE_CHECK(bytes <= capacity_);
    begin_ = 0;
    end_ = bytes;
    was_filled_ = bytes == capacity_ || (was_filled_ && bytes > k_small_bytes);
}

std::size_t TlsMemory::consume(std::byte* into, std::size_t bytes) {
    const std::size_t moved = std::min(bytes, end_ - begin_);
    if (moved == 0) return 0;
    std::memcpy(into, incoming_.get() + begin_, moved);
    begin_ += moved;
    return moved;
}

void TlsMemory::produce(const char* bytes, std::size_t count) { outgoing_.append(bytes, count); }

}  // namespace reeve::net
