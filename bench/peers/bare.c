/* A bare loop: what the kernel allows. One thread, one epoll; what one client says is written to each.
 *
 * No key is computed, no frame checked, nothing kept: it is the limit that the others are measured against, not a
 * server. A socket that is full is waited for, so that nothing is lost.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 65536
#define BATCH 1024

static const char ANSWER[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
static uint8_t shaken[MOST]; /* by descriptor: 0 not there, 1 connected, 2 upgraded */
static int highest;

static void say(int fd, const unsigned char *data, size_t size) {
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            struct pollfd wait = {fd, POLLOUT, 0};
            poll(&wait, 1, 1000);
        } else if (sent < 0) {
            return;
        } else {
            data += sent;
            size -= (size_t)sent;
        }
    }
}

static void tell_everybody(const unsigned char *payload, size_t size) {
    static unsigned char frame[4 + 65536];
    size_t head = size < 126 ? 2 : 4;
    frame[0] = 0x81;
    frame[1] = (unsigned char)(size < 126 ? size : 126);
    if (head == 4) {
        frame[2] = (unsigned char)(size >> 8);
        frame[3] = (unsigned char)size;
    }
    memcpy(frame + head, payload, size);
    for (int fd = 0; fd <= highest; fd++)
        if (shaken[fd] == 2) say(fd, frame, head + size);
}

/* Take the publisher's frames, masked with zeros; return how many bytes they were. */
static size_t frames(const unsigned char *data, size_t size) {
    size_t used = 0;
    while (size - used >= 8) {
        size_t length = data[used + 1] & 0x7f, head = 6;
        if (length == 126) length = (size_t)data[used + 2] << 8 | data[used + 3], head = 8;
        if (size - used < head + length) break;
        if ((data[used] & 0x0f) == 1) tell_everybody(data + used + head, length);
        used += head + length;
    }
    return used;
}

static void readable(int fd) {
    static unsigned char buffer[1 << 20];
    static size_t kept; /* of the one publisher */
    size_t before = shaken[fd] == 2 ? kept : 0;
    ssize_t got = recv(fd, buffer + before, sizeof buffer - before, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) return;
        shaken[fd] = 0;
        close(fd);
    } else if (shaken[fd] == 1) {
        say(fd, (const unsigned char *)ANSWER, sizeof ANSWER - 1);
        shaken[fd] = 2;
    } else {
        size_t size = before + (size_t)got, used = frames(buffer, size);
        kept = size - used;
        memmove(buffer, buffer + used, kept);
    }
}

static void greet(int listener, int epoll) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= MOST) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        shaken[fd] = 1;
        if (fd > highest) highest = fd;
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int count, char **arguments) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event ready[BATCH], event = {.events = EPOLLIN};
    int epoll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (count != 2) return 2;
    address.sin_port = htons((uint16_t)atoi(arguments[1]));
    event.data.fd = listener;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("listen");
        return 1;
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready_count = epoll_wait(epoll, ready, BATCH, -1);
        for (int i = 0; i < ready_count; i++)
            if (ready[i].data.fd == listener) greet(listener, epoll);
            else readable(ready[i].data.fd);
    }
}
