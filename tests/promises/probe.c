/*
 * What a container is given, told by a program inside of it.
 *
 * Each line is a topic, a name and a value, apart by tabs. Nothing is decided
 * here: whether a value is right is for whoever compares them.
 *
 * Which system calls a filter lets through is asked without one of them being
 * made. The child adds a filter of its own that leaves every call to a
 * listener. Of several filters the strictest answer counts, and a refusal is
 * stricter than a question: what the container's filter refuses is refused,
 * and of what it lets through the listener hears, and answers with an error
 * that nobody else gives.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <grp.h>
#include <unistd.h>

static void say(const char *topic, const char *name, const char *value)
{
    printf("%s\t%s\t%s\n", topic, name, value);
}

/* What came of something, as a word. */
static const char *word(long result)
{
    return result >= 0 ? "yes" : strerrorname_np(errno);
}

/* ---- system calls, by every table ---- */

enum table { NATIVE, X32, I386 };
static const char *const TABLES[] = { "x86_64", "x32", "i386" };

struct question {
    enum table table;
    long number;
    long args[3];
    char label[48];
    char answer[24];
};

enum { QUESTIONS = 4000, HEARD = 4000, NUMBERS = 600, X32_BIT = 0x40000000 };

/* What the asking child and its parent share. */
struct shared {
    volatile int listener;
    volatile int next;
    volatile int done;
    int count;
    unsigned int *low; /* memory that a 32-bit pointer can reach */
    volatile long results[QUESTIONS];
    struct question list[QUESTIONS];
};

static struct shared *shared;

static struct question *ask(enum table table, long number, const char *label)
{
    struct question *q = &shared->list[shared->count++];
    if (shared->count == QUESTIONS)
        exit(9);
    q->table = table;
    q->number = number;
    snprintf(q->label, sizeof q->label, "%s", label);
    return q;
}

static long make_call(const struct question *q)
{
    long result;
    if (q->table == I386) {
        __asm__ volatile("int $0x80"
                 : "=a"(result)
                 : "a"(q->number), "b"(q->args[0]), "c"(q->args[1]), "d"(q->args[2]),
                   "S"(0L), "D"(0L)
                 : "memory", "r8", "r9", "r10", "r11");
        return (int)result;
    }
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    register long r9 __asm__("r9") = 0;
    __asm__ volatile("syscall"
             : "=a"(result)
             : "a"(q->number | (q->table == X32 ? X32_BIT : 0)), "D"(q->args[0]),
               "S"(q->args[1]), "d"(q->args[2]), "r"(r10), "r"(r8), "r"(r9)
             : "memory", "rcx", "r11");
    return result;
}

/* The child: from its own filter on it makes no call that is not a question. */
static void put_questions(void)
{
    struct sock_filter hear = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog filter = { .len = 1, .filter = &hear };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
    if (fd < 0) {
        perror("seccomp");
        _exit(1);
    }
    shared->listener = fd;
    for (; shared->next < shared->count; shared->next++)
        shared->results[shared->next] = make_call(&shared->list[shared->next]);
    shared->done = 1;
    for (;;)
        ;
}

/* Answers each call until the child is done, or has been killed for one. */
static void listen_to(pid_t child)
{
    struct seccomp_notif heard;
    struct seccomp_notif_resp answer;
    while (shared->listener < 0 && waitpid(child, NULL, WNOHANG) == 0)
        usleep(100);
    if (shared->listener < 0)
        exit(8);
    struct pollfd fd = { .fd = shared->listener, .events = POLLIN };
    while (!shared->done && poll(&fd, 1, 1) >= 0) {
        if (fd.revents & POLLIN) {
            memset(&heard, 0, sizeof heard);
            if (ioctl(fd.fd, SECCOMP_IOCTL_NOTIF_RECV, &heard) < 0)
                continue;
            memset(&answer, 0, sizeof answer);
            answer.id = heard.id;
            answer.error = -HEARD;
            ioctl(fd.fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        } else if (fd.revents) {
            break;
        }
    }
    close(fd.fd);
}

static void put_answer(int n, const char *answer)
{
    snprintf(shared->list[n].answer, sizeof shared->list[n].answer, "%s", answer);
}

static void ask_all(void)
{
    while (shared->next < shared->count) {
        int first = shared->next, status;
        shared->listener = -1;
        pid_t child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
        if (child == 0)
            put_questions();
        listen_to(child);
        for (int n = first; n < shared->next; n++) {
            long result = shared->results[n];
            const char *name = result < 0 ? strerrorname_np(-result) : NULL;
            put_answer(n, result == -HEARD ? "yes" : name ? name : "?");
        }
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        if (!shared->done)
            put_answer(shared->next++, "killed");
    }
}

static void ask_for_flags(void)
{
    static const struct {
        const char *name;
        long flag;
    } flags[] = {
        { "NEWNS", CLONE_NEWNS },   { "NEWUTS", CLONE_NEWUTS }, { "NEWIPC", CLONE_NEWIPC },
        { "NEWUSER", CLONE_NEWUSER }, { "NEWPID", CLONE_NEWPID }, { "NEWNET", CLONE_NEWNET },
        { "NEWCGROUP", CLONE_NEWCGROUP }, { "NEWTIME", 0x80 }, { "VM", CLONE_VM },
    };
    char label[48];
    for (unsigned n = 0; n < sizeof flags / sizeof *flags; n++) {
        snprintf(label, sizeof label, "clone %s", flags[n].name);
        ask(NATIVE, SYS_clone, label)->args[0] = flags[n].flag;
        ask(X32, SYS_clone, label)->args[0] = flags[n].flag;
        ask(I386, 120, label)->args[0] = flags[n].flag;
    }
}

static void ask_for_sockets(void)
{
    char label[48];
    for (int family = 0; family < 64; family++) {
        snprintf(label, sizeof label, "socket %d", family);
        ask(NATIVE, SYS_socket, label)->args[0] = family;
        ask(X32, SYS_socket, label)->args[0] = family;
        ask(I386, 359, label)->args[0] = family;
    }
    /* The old way of 32 bits: what is wanted, and where its arguments are. */
    for (int what = 0; what < 24; what++) {
        snprintf(label, sizeof label, "socketcall %d", what);
        struct question *q = ask(I386, 102, label);
        q->args[0] = what;
        q->args[1] = (long)shared->low;
    }
}

static void ask_for_personalities(void)
{
    static const unsigned values[] = { 0, 1, 2, 3, 4, 8, 0x10, 0x20000, 0x20008, 0x40000,
        0x80000, 0x100000, 0x200000, 0x400000, 0x800000, 0x1000000,
        0x2000000, 0x4000000, 0x8000000, 0xffffffff };
    char label[48];
    for (unsigned n = 0; n < sizeof values / sizeof *values; n++) {
        snprintf(label, sizeof label, "personality %#x", values[n]);
        ask(NATIVE, SYS_personality, label)->args[0] = values[n];
        ask(X32, SYS_personality, label)->args[0] = values[n];
        ask(I386, 136, label)->args[0] = values[n];
    }
}

static void calls(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared->low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    char label[48];
    for (enum table table = NATIVE; table <= I386; table++)
        for (long number = 0; number < NUMBERS; number++) {
            snprintf(label, sizeof label, "%ld", number);
            ask(table, number, label);
        }
    ask_for_flags();
    ask_for_sockets();
    ask_for_personalities();
    ask_all();
    for (int n = 0; n < shared->count; n++) {
        const struct question *q = &shared->list[n];
        printf("call\t%s %s\t%s\n", TABLES[q->table], q->label, q->answer);
    }
}

/* ---- the process itself ---- */

/* Every line of a file "Name: value", but for what no two processes share. */
static void status(void)
{
    static const char *const own[] = { "Pid", "Tgid", "PPid", "Ngid", "NStgid", "NSpid", "NSpgid",
        "NSsid", "Threads", "Name", "State", "FDSize", "SigQ", "voluntary_ctxt_switches",
        "nonvoluntary_ctxt_switches", "x86_Thread_features", "x86_Thread_features_locked" };
    char line[4096];
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file)) {
        char *value = strchr(line, ':');
        if (!value)
            continue;
        *value++ = 0;
        value[strcspn(value, "\n")] = 0;
        int skip = !strncmp(line, "Vm", 2) || !strncmp(line, "Rss", 3) || !strncmp(line, "Huge", 4);
        for (unsigned n = 0; n < sizeof own / sizeof *own; n++)
            skip |= !strcmp(line, own[n]);
        if (!skip)
            say("status", line, value + strspn(value, "\t "));
    }
    if (file)
        fclose(file);
}

static void limits(void)
{
    static const char *const names[] = { "cpu", "fsize", "data", "stack", "core", "rss", "nproc",
        "nofile", "memlock", "as", "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime" };
    for (int n = 0; n < 16; n++) {
        struct rlimit limit;
        char value[64];
        getrlimit(n, &limit);
        snprintf(value, sizeof value, "%ld %ld", (long)limit.rlim_cur, (long)limit.rlim_max);
        say("limit", names[n], value);
    }
}

/* The first line of a file, or why not. */
static const char *first_line(const char *path)
{
    static char line[4096];
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (n < 0)
        snprintf(line, sizeof line, "%s", strerrorname_np(errno));
    else
        line[n] = 0;
    if (fd >= 0)
        close(fd);
    line[strcspn(line, "\n")] = 0;
    for (char *c = line; *c; c++)
        if (*c == '\t' || *c == '\r')
            *c = ' ';
    return line;
}

static void lines_of(const char *topic, const char *path)
{
    char line[4096];
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        say(topic, line, "is there");
    }
    if (file)
        fclose(file);
}

static void number(const char *name, long value)
{
    char text[32];
    snprintf(text, sizeof text, "%ld", value);
    say("process", name, value < 0 ? strerrorname_np(errno) : text);
}

static void links_of(const char *topic, const char *dir)
{
    char path[300], target[300];
    struct dirent *entry;
    DIR *list = opendir(dir);
    while (list && (entry = readdir(list))) {
        if (entry->d_name[0] == '.' || (!strcmp(topic, "fd") && atoi(entry->d_name) == dirfd(list)))
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = 0;
        say(topic, entry->d_name, target);
    }
    if (list)
        closedir(list);
}

extern char **environ;

static void process(void)
{
    cpu_set_t cpus;
    char cwd[300] = "";
    struct utsname name;
    status();
    limits();
    uname(&name);
    say("process", "host name", name.nodename);
    say("process", "domain name", name.domainname);
    say("process", "directory", getcwd(cwd, sizeof cwd) ? cwd : "none");
    say("process", "oom_score_adj", first_line("/proc/self/oom_score_adj"));
    say("process", "uid_map", first_line("/proc/self/uid_map"));
    say("process", "setgroups", first_line("/proc/self/setgroups"));
    say("process", "coredump_filter", first_line("/proc/self/coredump_filter"));
    say("process", "security label", first_line("/proc/self/attr/current"));
    number("securebits", prctl(PR_GET_SECUREBITS));
    number("dumpable", prctl(PR_GET_DUMPABLE));
    number("keep capabilities", prctl(PR_GET_KEEPCAPS));
    number("subreaper", ({ int set = 0; prctl(PR_GET_CHILD_SUBREAPER, &set); set; }));
    number("death signal", ({ int signal = 0; prctl(PR_GET_PDEATHSIG, &signal); signal; }));
    number("timer slack", prctl(PR_GET_TIMERSLACK));
    number("no huge pages", prctl(PR_GET_THP_DISABLE));
    number("policy", sched_getscheduler(0));
    number("nice", 20 - syscall(SYS_getpriority, PRIO_PROCESS, 0));
    number("io priority", syscall(SYS_ioprio_get, 1, 0));
    number("processors", (sched_getaffinity(0, sizeof cpus, &cpus), CPU_COUNT(&cpus)));
    number("leads its session", getsid(0) == getpid());
    number("leads its group", getpgrp() == getpid());
    number("is the first", getpid() == 1);
    for (char **variable = environ; *variable; variable++)
        say("env", *variable, "is set");
    lines_of("cgroup", "/proc/self/cgroup");
    links_of("fd", "/proc/self/fd");
    links_of("namespace", "/proc/self/ns");
}

static void terminal(void)
{
    for (int fd = 0; fd < 3; fd++) {
        char name[16], value[300];
        struct stat st;
        snprintf(name, sizeof name, "stream %d", fd);
        fstat(fd, &st);
        snprintf(value, sizeof value, "%s%s", isatty(fd) ? "a terminal" : "none",
             isatty(fd) && st.st_uid == geteuid() ? " of one's own" : "");
        say("terminal", name, value);
    }
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    say("terminal", "/dev/tty", word(fd));
    say("terminal", "in its foreground", fd >= 0 && tcgetpgrp(fd) == getpgrp() ? "yes" : "no");
    say("terminal", "typed into", fd < 0 ? "none" : word(ioctl(fd, TIOCSTI, "\a")));
}

/* ---- files ---- */

static const char *kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "dir";
    case S_IFLNK: return "link";
    case S_IFCHR: return "char";
    case S_IFBLK: return "block";
    case S_IFIFO: return "pipe";
    default: return "socket";
    }
}

static void describe(const char *topic, const char *path)
{
    struct stat st;
    char value[600], target[300] = "";
    if (lstat(path, &st) < 0)
        return;
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = 0;
        snprintf(value, sizeof value, "link to %s", target);
    } else {
        snprintf(value, sizeof value, "%s %d:%d %04o %d:%d", kind(st.st_mode), major(st.st_rdev),
             minor(st.st_rdev), st.st_mode & 07777, st.st_uid, st.st_gid);
    }
    say(topic, path, value);
}

static int is_number(const char *name)
{
    return name[strspn(name, "0123456789")] == 0;
}

static void each(const char *dir, void (*look)(const char *))
{
    char path[4096];
    struct dirent *entry;
    DIR *list = opendir(dir);
    while (list && (entry = readdir(list))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(path, sizeof path, "%s/%s", strcmp(dir, "/") ? dir : "", entry->d_name);
        look(path);
    }
    if (list)
        closedir(list);
}

static void look_at_device(const char *path)
{
    struct stat st;
    describe("dev", path);
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        each(path, look_at_device);
}

static void look_at_root(const char *path)
{
    describe("root", path);
}

/* Opened and not touched: whether one may read it, and whether write. */
static const char *opened(const char *path, int how)
{
    int fd = open(path, how | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    const char *result = word(fd);
    if (fd >= 0)
        close(fd);
    return result;
}

static void look_at_file(const char *path);

static void look_inside(const char *path)
{
    static const char *const others[] = { "/proc/self/fd", "/proc/self/fdinfo", "/proc/self/task",
        "/proc/self/map_files", "/proc/thread-self" };
    for (unsigned n = 0; n < sizeof others / sizeof *others; n++)
        if (!strcmp(path, others[n]))
            return;
    each(path, look_at_file);
}

static void look_at_file(const char *path)
{
    struct stat st;
    char value[100];
    if (lstat(path, &st) < 0 || S_ISLNK(st.st_mode))
        return;
    if (!strncmp(path, "/proc/", 6) && is_number(path + 6))
        return;
    if (S_ISDIR(st.st_mode)) {
        snprintf(value, sizeof value, "dir %s", word(faccessat(AT_FDCWD, path, W_OK, AT_EACCESS)));
        say("path", path, value);
        look_inside(path);
        return;
    }
    const char *read = opened(path, O_RDONLY), *write = opened(path, O_WRONLY);
    snprintf(value, sizeof value, "%s read %s write %s", kind(st.st_mode), read, write);
    say("path", path, value);
    if (!strncmp(path, "/proc/sys/", 10))
        say("sysctl", path, first_line(path));
}

/* "36 35 98:0 /root /point options fields - type source super" */
static void mounts(void)
{
    char line[8192];
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        char root[2048], point[2048], options[512], rest[4096];
        line[strcspn(line, "\n")] = 0;
        int n = sscanf(line, "%*d %*d %*s %2047s %2047s %511s %4095[^\n]", root, point, options, rest);
        if (n != 4)
            continue;
        char value[8192];
        snprintf(value, sizeof value, "%s %s %s", root, options, rest);
        say("mount", point, value);
    }
    if (file)
        fclose(file);
}

static void files(void)
{
    each("/", look_at_root);
    each("/dev", look_at_device);
    mounts();
    each("/proc", look_at_file);
    each("/proc/self", look_at_file);
    each("/sys", look_at_file);
    lines_of("device rule", "/sys/fs/cgroup/devices/devices.list");
    static const char *const limits[] = { "pids/pids.max", "memory/memory.limit_in_bytes",
        "cpu/cpu.shares", "pids.max", "memory.max", "cpu.weight" };
    for (unsigned n = 0; n < sizeof limits / sizeof *limits; n++) {
        char path[100];
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s", limits[n]);
        say("limit", limits[n], first_line(path));
    }
    static const char *const given[] = { "/etc/hosts", "/etc/hostname", "/etc/resolv.conf" };
    for (unsigned n = 0; n < sizeof given / sizeof *given; n++)
        describe("root", given[n]);
}

/* ---- what may be done ---- */

/* A device that is made and opened for reading, none of which minds. */
static void device(const char *name, mode_t type, unsigned major, unsigned minor)
{
    char value[64], path[] = "/rcon-test-node";
    unlink(path);
    const char *made = word(mknod(path, type | 0600, makedev(major, minor)));
    snprintf(value, sizeof value, "made %s read %s", made, opened(path, O_RDONLY));
    say("device", name, value);
    unlink(path);
}

static void devices(void)
{
    device("mem", S_IFCHR, 1, 1);
    device("null", S_IFCHR, 1, 3);
    device("port", S_IFCHR, 1, 4);
    device("zero", S_IFCHR, 1, 5);
    device("full", S_IFCHR, 1, 7);
    device("random", S_IFCHR, 1, 8);
    device("urandom", S_IFCHR, 1, 9);
    device("kmsg", S_IFCHR, 1, 11);
    device("tty1", S_IFCHR, 4, 1);
    device("tty", S_IFCHR, 5, 0);
    device("console", S_IFCHR, 5, 1);
    device("ptmx", S_IFCHR, 5, 2);
    device("a misc device", S_IFCHR, 10, 255);
    device("tun", S_IFCHR, 10, 200);
    device("fuse", S_IFCHR, 10, 229);
    device("kvm", S_IFCHR, 10, 232);
    device("loop control", S_IFCHR, 10, 237);
    device("a terminal of the host", S_IFCHR, 136, 0);
    device("no char device", S_IFCHR, 300, 77);
    device("loop", S_IFBLK, 7, 0);
    device("sda", S_IFBLK, 8, 0);
    device("vda", S_IFBLK, 254, 0);
    device("no block device", S_IFBLK, 300, 77);
}

static long bind_to(int type, int protocol, int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, type, protocol);
    return fd < 0 || port < 0 ? fd : bind(fd, (struct sockaddr *)&to, sizeof to);
}

static long raise_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_max = limit.rlim_max == RLIM_INFINITY ? limit.rlim_max : limit.rlim_max + 1;
    return setrlimit(RLIMIT_CORE, &limit);
}

static long first_in_line(void)
{
    struct sched_param high = { .sched_priority = 1 };
    return sched_setscheduler(0, SCHED_FIFO, &high);
}

static long traced(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long by_handle(void)
{
    struct { struct file_handle handle; unsigned char bytes[16]; } h = { .handle.handle_bytes = 8 };
    long result = open_by_handle_at(AT_FDCWD, &h.handle, O_RDONLY);
    /* A handle of nothing: what counts is who says no. */
    return result < 0 && errno != EPERM && errno != ENOSYS ? 0 : result;
}

/* Each in a process of its own, so that none prepares another's way. */
static void attempt(const char *name, long (*what)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        errno = 0;
        say("attempt", name, word(what()));
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status))
        say("attempt", name, "killed");
}

#define TRY(name, expression) \
    { long try_it(void) { return (expression); } attempt(name, try_it); }

static void attempts(void)
{
    mkdir("/rcon-test-point", 0755);
    TRY("mount a tmpfs", mount("x", "/rcon-test-point", "tmpfs", 0, ""));
    TRY("mount a procfs", mount("x", "/rcon-test-point", "proc", 0, ""));
    TRY("mount a sysfs", mount("x", "/rcon-test-point", "sysfs", 0, ""));
    TRY("mount cgroups", mount("x", "/rcon-test-point", "cgroup", 0, "none,name=rcon-test"));
    TRY("bind", mount("/etc", "/rcon-test-point", "", MS_BIND, ""));
    TRY("make /proc/sys writable", mount("", "/proc/sys", "", MS_REMOUNT | MS_BIND, ""));
    TRY("uncover /proc/kcore", umount2("/proc/kcore", MNT_DETACH));
    TRY("unshare mounts", unshare(CLONE_NEWNS));
    TRY("unshare users", unshare(CLONE_NEWUSER));
    TRY("unshare the network", unshare(CLONE_NEWNET));
    TRY("unshare cgroups", unshare(CLONE_NEWCGROUP));
    TRY("change the root", chroot("/"));
    TRY("set the host name", sethostname("x", 1));
    TRY("a raw socket", bind_to(SOCK_RAW, IPPROTO_ICMP, -1));
    TRY("a ping socket", bind_to(SOCK_DGRAM, IPPROTO_ICMP, -1));
    TRY("a packet socket", socket(AF_PACKET, SOCK_RAW, 0));
    TRY("port 80", bind_to(SOCK_STREAM, 0, 80));
    TRY("hurry", setpriority(PRIO_PROCESS, 0, -1));
    TRY("real time", first_in_line());
    TRY("raise a limit", raise_limit());
    TRY("be traced", traced());
    TRY("open by handle", by_handle());
    TRY("read the kernel's log", syscall(SYS_syslog, 3, (char[64]){ 0 }, 64));
    TRY("ports of the machine", syscall(SYS_ioperm, 0x80, 1, 1));
    TRY("become another", setuid(65534));
    TRY("other groups", setgroups(0, NULL));
    TRY("own a file of another", chown("/rcon-test-point", 1, 1));
    TRY("a set-user-id file", chmod("/rcon-test-point", 04755));
    rmdir("/rcon-test-point");
}

int main(int argc, char **argv)
{
    static char buffer[1 << 16];
    if (argc > 1 && !strcmp(argv[1], "stay"))
        for (;;)
            pause();
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    umask(umask(0));
    process();
    terminal();
    fflush(stdout);
    calls();
    files();
    devices();
    attempts();
    say("end", "end", "end");
    return 0;
}
