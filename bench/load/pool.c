/* Many client connections in one loop: opened a few at a time, read, counted and answered.
 *
 * The load generator's inner loop, in C so that it is faster than what it measures; plain.py is the same in Python,
 * for a machine without a compiler, and tests/bench holds both to the same behaviour. It knows of WebSocket what a
 * client needs: frames of a server, unmasked and whole; pings, which it answers. Of an HTTP stream it only reads the
 * marks. A mark is "#" and eight digits somewhere in an event: the number that the publisher gave it.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (1 << 20)
#define BATCH 1024
#define DIGITS 8
#define CARRY (DIGITS + 1) /* of a stream's bytes, that much may be the beginning of a mark */
#define CURSOR 48
#define COMPLAINT 512

enum { NEW, HANDSHAKE, GREETING, OPEN, FAILED, CLOSED };
enum { SOCKET, STREAM };

typedef struct {
    int fd;
    uint8_t state, kind, greetings;
    uint32_t request_size, kept;
    unsigned char *request, *keep; /* keep: the beginning of a frame whose rest has not come */
    double began, opened;
    char cursor[CURSOR];
} Connection;

typedef struct {
    double at;
    uint32_t connection, mark;
} Record;

typedef struct {
    uint64_t opened, failed, closed, frames, bytes, marks, lost_records, pings;
} Counters;

typedef struct {
    Counters counters; /* first: read from Python */
    char complaint[COMPLAINT];
    int epoll, size, room, next, opening, source, port, keeps_cursors;
    struct in_addr address;
    Connection *all;
    Record *records;
    uint64_t recorded, capacity;
    unsigned char hello[256], alive[64]; /* frames, masked already */
    int hello_size, alive_size;
    char alive_mark[32];
    unsigned char *buffer;
} Pool;

double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

Pool *pool_new(int room, uint64_t capacity, const char *address, int port) {
    Pool *pool = calloc(1, sizeof(Pool));
    pool->epoll = epoll_create1(EPOLL_CLOEXEC);
    pool->room = room;
    pool->all = calloc((size_t)room, sizeof(Connection));
    pool->capacity = capacity;
    pool->records = malloc(capacity * sizeof(Record));
    pool->buffer = malloc(BUFFER);
    pool->port = port;
    inet_pton(AF_INET, address, &pool->address);
    return pool;
}

/* What to say after the first greeting, and what to answer to a text frame that holds `mark`. */
void pool_speak(Pool *pool, const void *hello, int hello_size, const char *mark, const void *alive, int alive_size) {
    memcpy(pool->hello, hello, (size_t)(pool->hello_size = hello_size));
    memcpy(pool->alive, alive, (size_t)(pool->alive_size = alive_size));
    snprintf(pool->alive_mark, sizeof pool->alive_mark, "%s", mark);
}

void pool_keep_cursors(Pool *pool, int on) { pool->keeps_cursors = on; }

int pool_add(Pool *pool, int kind, int greetings, const void *request, int size) {
    if (pool->size == pool->room) return -1;
    Connection *c = &pool->all[pool->size];
    c->fd = -1;
    c->kind = (uint8_t)kind;
    c->greetings = (uint8_t)greetings;
    c->request = malloc((size_t)size);
    memcpy(c->request, request, (size_t)size);
    c->request_size = (uint32_t)size;
    return pool->size++;
}

static void finish(Pool *pool, Connection *c, int state) {
    if (c->state == HANDSHAKE || c->state == GREETING) pool->opening--;
    if (state == FAILED) pool->counters.failed++;
    if (state == CLOSED) pool->counters.closed++;
    c->state = (uint8_t)state;
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    free(c->keep);
    c->keep = NULL;
    c->kept = 0;
}

static void gone(Pool *pool, Connection *c) { finish(pool, c, c->state == OPEN ? CLOSED : FAILED); }

static void complain(Pool *pool, const void *text, size_t size) {
    if (pool->complaint[0]) return;
    if (size >= COMPLAINT) size = COMPLAINT - 1;
    memcpy(pool->complaint, text, size);
}

static void begin(Pool *pool, Connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)pool->port), .sin_addr = pool->address};
    struct sockaddr_in from = {.sin_family = AF_INET};
    int on = 1;
    struct linger abort = {1, 0}; /* no TIME_WAIT: the next run wants the ports */
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    c->began = now();
    c->state = HANDSHAKE;
    pool->opening++;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(pool->source++ % 4)); /* ports of four addresses */
    if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof from) ||
        (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)) {
        complain(pool, strerror(errno), strlen(strerror(errno)));
        finish(pool, c, FAILED);
        return;
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = (uint32_t)(c - pool->all)};
    epoll_ctl(pool->epoll, EPOLL_CTL_ADD, c->fd, &event);
}

/* Small enough for an empty socket buffer, so it is written whole or the connection is broken. */
static int tell(Connection *c, const void *data, size_t size) {
    return c->fd >= 0 && send(c->fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static void connected(Pool *pool, Connection *c) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)(c - pool->all)};
    if (!tell(c, c->request, c->request_size)) {
        complain(pool, "could not connect", 17);
        finish(pool, c, FAILED);
        return;
    }
    epoll_ctl(pool->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void is_open(Pool *pool, Connection *c, double at) {
    c->state = OPEN;
    c->opened = at;
    pool->opening--;
    pool->counters.opened++;
}

static void note_marks(Pool *pool, Connection *c, const unsigned char *data, size_t size, double at) {
    const unsigned char *end = data + size;
    while (size > DIGITS && (data = memchr(data, '#', size - DIGITS))) {
        uint32_t mark = 0;
        int digit = 1;
        while (digit <= DIGITS && data[digit] >= '0' && data[digit] <= '9') mark = mark * 10 + data[digit++] - '0';
        if (digit > DIGITS) {
            pool->counters.marks++;
            if (pool->recorded < pool->capacity)
                pool->records[pool->recorded++] = (Record){at, (uint32_t)(c - pool->all), mark};
            else
                pool->counters.lost_records++;
        }
        data += digit;
        size = (size_t)(end - data);
    }
}

static void note_cursor(Connection *c, const unsigned char *data, size_t size) {
    static const char key[] = "\"cursor\":\"";
    const unsigned char *found = memmem(data, size, key, sizeof key - 1);
    if (!found) return;
    found += sizeof key - 1;
    const unsigned char *end = memchr(found, '"', size - (size_t)(found - data));
    if (!end || end - found >= CURSOR) return;
    memcpy(c->cursor, found, (size_t)(end - found));
    c->cursor[end - found] = 0;
}

/* Take one whole frame; return whether the connection goes on. */
static int frame(Pool *pool, Connection *c, int opcode, const unsigned char *data, size_t size, double at) {
    unsigned char pong[6 + 125] = {0x8a, (unsigned char)(0x80 | (size & 0x7f)), 0, 0, 0, 0};
    if (opcode == 8) {
        char code[32];
        int length = snprintf(code, sizeof code, "closed with %d", size < 2 ? 1005 : data[0] << 8 | data[1]);
        complain(pool, code, (size_t)length);
        return 0;
    }
    if (opcode == 9 && size <= 125) {
        memcpy(pong + 6, data, size);
        pool->counters.pings++;
        return tell(c, pong, 6 + size);
    }
    pool->counters.frames++;
    if (pool->keeps_cursors) note_cursor(c, data, size);
    if (pool->alive_size && memmem(data, size < 64 ? size : 64, pool->alive_mark, strlen(pool->alive_mark))) {
        pool->counters.pings++;
        return tell(c, pool->alive, (size_t)pool->alive_size);
    }
    if (c->state == GREETING) {
        if (pool->hello_size && !c->opened) { /* once, after the first greeting */
            c->opened = at;
            if (!tell(c, pool->hello, (size_t)pool->hello_size)) return 0;
        }
        if (--c->greetings == 0) is_open(pool, c, at);
        return 1;
    }
    note_marks(pool, c, data, size, at);
    return 1;
}

/* Take the whole frames of `data`; return how many bytes they are, -1 when the connection ends. */
static ssize_t frames(Pool *pool, Connection *c, const unsigned char *data, size_t size, double at) {
    size_t used = 0;
    while (size - used >= 2) {
        const unsigned char *p = data + used;
        size_t head = 2, length = p[1] & 0x7f, left = size - used;
        if (length == 126) {
            if (left < 4) break;
            length = (size_t)p[2] << 8 | p[3];
            head = 4;
        } else if (length == 127) {
            if (left < 10) break;
            length = 0;
            for (int i = 2; i < 10; i++) length = length << 8 | p[i];
            head = 10;
        }
        if (left < head + length) break;
        if (!frame(pool, c, p[0] & 0x0f, p + head, length, at)) return -1;
        used += head + length;
    }
    return (ssize_t)used;
}

static ssize_t handshake(Pool *pool, Connection *c, const unsigned char *data, size_t size, double at) {
    const unsigned char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return 0;
    const char *wanted = c->kind == SOCKET ? "HTTP/1.1 101" : "HTTP/1.1 200";
    if (size < 12 || memcmp(data, wanted, 12)) {
        complain(pool, data, size);
        return -1;
    }
    c->state = GREETING;
    if (c->greetings == 0 || c->kind == STREAM) is_open(pool, c, at);
    return end + 4 - data;
}

/* Take what can be taken of `data`; return how many bytes, -1 when the connection ends. */
static ssize_t take(Pool *pool, Connection *c, const unsigned char *data, size_t size, double at) {
    ssize_t used = 0, more;
    if (c->state == HANDSHAKE && (used = handshake(pool, c, data, size, at)) <= 0) return used;
    if (c->kind == SOCKET) {
        more = frames(pool, c, data + used, size - (size_t)used, at);
        return more < 0 ? -1 : used + more;
    }
    note_marks(pool, c, data + used, size - (size_t)used, at);
    size_t rest = size - (size_t)used;
    return (ssize_t)(size - (rest < CARRY - 1 ? rest : CARRY - 1));
}

static void readable(Pool *pool, Connection *c) {
    size_t kept = c->kept;
    if (kept) memcpy(pool->buffer, c->keep, kept);
    ssize_t got = recv(c->fd, pool->buffer + kept, BUFFER - kept, 0);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (c->state != OPEN) complain(pool, "closed while it was opened", 26);
        gone(pool, c);
        return;
    }
    pool->counters.bytes += (uint64_t)got;
    size_t size = kept + (size_t)got;
    ssize_t used = take(pool, c, pool->buffer, size, now());
    if (used < 0 || (used == 0 && size == BUFFER)) {
        gone(pool, c);
        return;
    }
    c->kept = (uint32_t)(size - (size_t)used);
    free(c->keep);
    c->keep = NULL;
    if (c->kept) memcpy(c->keep = malloc(c->kept), pool->buffer + used, c->kept);
}

/* Open what was added, `at_once` at a time, and read, until `deadline`, or until that many marks have come in all, or
 * until every connection that was added is open or has failed (when `opening` is set). */
void pool_run(Pool *pool, double deadline, uint64_t marks, int opening, int at_once) {
    struct epoll_event ready[BATCH];
    for (;;) {
        while (pool->next < pool->size && pool->opening < at_once) begin(pool, &pool->all[pool->next++]);
        double left = deadline - now();
        if (opening && pool->next == pool->size && pool->opening == 0) return;
        if (pool->counters.marks >= marks || left <= 0) return;
        int count = epoll_wait(pool->epoll, ready, BATCH, left > 0.05 ? 50 : (int)(left * 1000) + 1);
        for (int i = 0; i < count; i++) {
            Connection *c = &pool->all[ready[i].data.u32];
            if (c->fd < 0) continue;
            if (ready[i].events & EPOLLOUT) connected(pool, c);
            else readable(pool, c);
        }
    }
}

int pool_send(Pool *pool, int index, const void *data, int size) { return tell(&pool->all[index], data, (size_t)size); }

/* Break off the connections from `first` up to `last`, without a word. */
void pool_cut(Pool *pool, int first, int last) {
    for (int i = first; i < last; i++)
        if (pool->all[i].fd >= 0) gone(pool, &pool->all[i]);
}

double pool_began(Pool *pool, int index) { return pool->all[index].began; }
double pool_opened(Pool *pool, int index) { return pool->all[index].state == OPEN ? pool->all[index].opened : 0; }
const char *pool_cursor(Pool *pool, int index) { return pool->all[index].cursor; }
const char *pool_complaint(Pool *pool) { return pool->complaint; }
const Record *pool_records(Pool *pool) { return pool->records; }
uint64_t pool_recorded(Pool *pool) { return pool->recorded; }
void pool_forget(Pool *pool) { pool->recorded = 0; }

void pool_free(Pool *pool) {
    for (int i = 0; i < pool->size; i++) {
        if (pool->all[i].fd >= 0) close(pool->all[i].fd);
        free(pool->all[i].request);
        free(pool->all[i].keep);
    }
    close(pool->epoll);
    free(pool->all);
    free(pool->records);
    free(pool->buffer);
    free(pool);
}
