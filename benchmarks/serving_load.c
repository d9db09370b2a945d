/* An open-loop HTTP client for benchmarks/serving.py, built there by `cc -O2` where one is installed.
 *
 *   serving_load PORT CONNECTIONS SECONDS RATE DRAWN PATIENT < request
 *
 * Sends the request by so many connections: each again as soon as it is answered (RATE 0), or RATE each second, evenly or, DRAWN, at
 * moments as independent clients have them. PATIENT: a request for which no connection was free has waited since it was due; else it
 * counts from the moment at which one was. Out: a record for each answer, see struct record. The end of an answer is the moment at which its last bytes
 * reached the socket, as the kernel noted it: what this program does late is told apart, and is no time of the server's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST (1 << 20) /* bytes of an answer */

struct record {
    double seconds; /* from due to answered, less what this program was late */
    double late;
    double status; /* -1: the server hung up */
};

struct line {
    int fd;
    double due, freed, sent; /* seconds since the epoch, the kernel's clock for packets */
    size_t have, want;       /* bytes of the answer so far, and in all; 0 while its head is not whole */
    int status, busy;
    size_t left; /* bytes of the request that are not sent yet */
    char head[4096];
};

static char *request;
static size_t length;
static int poll_fd, port;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void check(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void open_line(struct line *line) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    line->fd = socket(AF_INET, SOCK_STREAM, 0);
    check(line->fd >= 0 && !connect(line->fd, (struct sockaddr *)&at, sizeof at), "connect");
    setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(line->fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes);
    fcntl(line->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = line};
    check(!epoll_ctl(poll_fd, EPOLL_CTL_ADD, line->fd, &event), "epoll_ctl");
}

static void push(struct line *line) {
    while (line->left) {
        ssize_t sent = send(line->fd, request + length - line->left, line->left, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            line->left = 0; /* hung up: reading will tell */
        if (sent < 0)
            break;
        line->left -= sent;
    }
    struct epoll_event event = {.events = EPOLLIN | (line->left ? EPOLLOUT : 0), .data.ptr = line};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, line->fd, &event);
}

static void start(struct line *line, double due) {
    line->due = due;
    line->sent = now();
    line->busy = 1;
    line->have = line->want = 0;
    line->left = length;
    push(line);
}

/* Whether an answer is whole, or the server hung up; *at: when its last bytes came. */
static int take(struct line *line, double *at) {
    static char drop[1 << 18];
    for (;;) {
        int whole_head = line->want > 0;
        char control[128], *into = whole_head ? drop : line->head + line->have;
        struct iovec part = {into, whole_head ? sizeof drop : sizeof line->head - 1 - line->have};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t came = recvmsg(line->fd, &message, 0);
        if (came < 0 && errno == EAGAIN)
            return 0;
        if (came <= 0) {
            line->status = -1;
            *at = now();
            return 1;
        }
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
            if (c->cmsg_type == SCM_TIMESTAMPNS) {
                struct timespec t;
                memcpy(&t, CMSG_DATA(c), sizeof t);
                *at = t.tv_sec + t.tv_nsec * 1e-9;
            }
        line->have += came;
        if (!whole_head) {
            line->head[line->have] = 0;
            char *end = strstr(line->head, "\r\n\r\n"), *size = strstr(line->head, "content-length: ");
            if (!end)
                continue;
            check(size != NULL && size < end, "an answer without content-length");
            line->status = atoi(line->head + 9);
            line->want = end + 4 - line->head + strtoul(size + 16, NULL, 10);
        }
        if (line->have >= line->want)
            return 1;
    }
}

/* Each connection is used once before time counts: accepting hundreds at once takes a server tens of milliseconds. */
static void warm_up(struct line *lines, int connections) {
    for (int i = 0; i < connections; i++) {
        double at = 0;
        start(&lines[i], now());
        while (!take(&lines[i], &at)) {
            struct pollfd one = {lines[i].fd, POLLIN | (lines[i].left ? POLLOUT : 0), 0};
            poll(&one, 1, 1000);
            if (lines[i].left)
                push(&lines[i]);
        }
        lines[i].busy = 0;
        if (lines[i].status < 0) {
            close(lines[i].fd);
            open_line(&lines[i]);
        }
    }
}

int main(int count, char **words) {
    check(count == 7, "PORT CONNECTIONS SECONDS RATE DRAWN PATIENT");
    port = atoi(words[1]);
    int connections = atoi(words[2]), drawn = atoi(words[5]), patient = atoi(words[6]), free_count = 0;
    double seconds = atof(words[3]), rate = atof(words[4]);
    request = malloc(1 << 26);
    length = fread(request, 1, 1 << 26, stdin);
    prctl(PR_SET_TIMERSLACK, 1);
    poll_fd = epoll_create1(0);
    struct line *lines = calloc(connections, sizeof *lines), **free_lines = calloc(connections, sizeof *free_lines);
    for (int i = 0; i < connections; i++) {
        open_line(&lines[i]);
        free_lines[free_count++] = &lines[i];
    }
    size_t told = 0, room = 1 << 16;
    struct record *records = malloc(room * sizeof *records);
    struct epoll_event events[256];
    srand48(7);
    warm_up(lines, connections);
    double begun = now(), end = begun + seconds, due = begun;
    for (int i = 0; i < connections; i++)
        lines[i].freed = begun;
    while (free_count < connections || now() < end) {
        double moment = now();
        check(moment < end + 60, "answers are missing a minute after the last request");
        while (free_count && moment < end && (!rate || due <= moment)) {
            struct line *line = free_lines[--free_count];
            start(line, !rate ? moment : !patient && line->freed > due ? line->freed : due);
            if (rate)
                due += (drawn ? -log(1 - drand48()) : 1) / rate;
            moment = now();
        }
        double wait = rate && free_count && moment < end ? due - moment : 0.1;
        struct timespec most = {0, wait > 0 ? (long)(fmin(wait, 0.1) * 1e9) : 0};
        int ready = epoll_pwait2(poll_fd, events, 256, &most, NULL);
        for (int i = 0; i < ready; i++) {
            struct line *line = events[i].data.ptr;
            double at = 0;
            if (line->left)
                push(line);
            if (!take(line, &at))
                continue;
            if (told == room)
                check((records = realloc(records, (room *= 2) * sizeof *records)) != NULL, "memory");
            if (!line->busy) { /* closed between two requests */
                close(line->fd);
                open_line(line);
                continue;
            }
            line->busy = 0;
            double able = fmax(line->due, line->freed), late = fmax(0, line->sent - able);
            records[told++] = (struct record){at - line->due - late, late, line->status};
            line->freed = at;
            if (line->status < 0) {
                close(line->fd);
                open_line(line);
            }
            free_lines[free_count++] = line;
        }
    }
    fwrite(records, sizeof *records, told, stdout);
    return 0;
}
