//! The system calls that are allowed, by what they are for.
//!
//! The coverage is that of Docker's profile of 2026. What is *not* here is the
//! point: calls that change the machine (`reboot`, `init_module`, `swapon`,
//! the clock), that make or enter namespaces or mount, that look into other
//! processes' secrets (`keyctl`: the keyring has no namespace), and large,
//! young parts of the kernel that had one hole after another (`io_uring`, out
//! since 2023; `userfaultfd`; `bpf`). A capability that was given brings back
//! the calls that it governs.

/// Calls with a common purpose.
pub(super) struct Group {
    /// Names, apart by white space.
    pub calls: &'static str,
    /// Under which condition they are allowed.
    pub when: When,
}

/// Under which condition a group is allowed.
pub(super) enum When {
    Always,
    /// From this version on.
    Kernel((u32, u32)),
    /// On x86 machines.
    X86,
    /// On ARM machines.
    Arm,
    /// With this capability.
    Capability(&'static str),
}

const fn always(calls: &'static str) -> Group {
    Group {
        calls,
        when: When::Always,
    }
}

const fn with(capability: &'static str, calls: &'static str) -> Group {
    Group {
        calls,
        when: When::Capability(capability),
    }
}

pub(super) const GROUPS: &[Group] = &[
    // Opening, closing and duplicating descriptors. What may be opened is the
    // file system's and the device rules' matter.
    always(
        "open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 ioctl pipe pipe2
        flock name_to_handle_at",
    ),
    // Moving bytes through them.
    always(
        "read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek
        sendfile sendfile64 splice tee vmsplice copy_file_range readahead fadvise64 fadvise64_64
        fallocate ftruncate ftruncate64 truncate truncate64 sync syncfs fsync fdatasync
        sync_file_range cachestat",
    ),
    // The old asynchronous interface. The new one, io_uring, is left out: its
    // operations are made by the kernel itself, past every filter.
    always(
        "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents
        io_pgetevents_time64",
    ),
    // Names of files, and what is known about them.
    always(
        "access faccessat faccessat2 chdir fchdir getcwd chmod fchmod fchmodat fchmodat2 chown
        chown32 fchown fchown32 fchownat lchown lchown32 link linkat symlink symlinkat readlink
        readlinkat rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir mknod mknodat
        getdents getdents64 umask utime utimes utimensat utimensat_time64 futimesat stat stat64
        lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64",
    ),
    // Extended attributes.
    always(
        "getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr
        llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat",
    ),
    // Questions about mounts, answered for the caller's own namespace only.
    always("statmount listmount"),
    // Being told of changes. Listening to a whole mount takes fanotify_init,
    // which is not here.
    always("inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark"),
    // Waiting for one of many.
    always(
        "select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create
        epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2
        eventfd eventfd2 signalfd signalfd4",
    ),
    // Memory of one's own. memfd_secret hides pages even from the kernel.
    always(
        "brk mmap mmap2 munmap mremap mprotect msync madvise mincore mlock mlock2 mlockall munlock
        munlockall remap_file_pages pkey_alloc pkey_free pkey_mprotect memfd_create memfd_secret
        mseal map_shadow_stack membarrier",
    ),
    // Locks between threads.
    always(
        "futex futex_time64 futex_wait futex_wake futex_waitv futex_requeue set_robust_list
        get_robust_list rseq set_tid_address get_thread_area set_thread_area",
    ),
    // Processes: making (clone stands apart), replacing, ending, waiting.
    always(
        "fork vfork execve execveat exit exit_group wait4 waitid waitpid pidfd_open
        pidfd_send_signal process_mrelease prctl getpid getppid gettid getpgid getpgrp setpgid
        getsid setsid",
    ),
    // Users and groups; the capabilities decide who may become whom.
    always(
        "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32
        getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid
        setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid
        setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset",
    ),
    // Signals.
    always(
        "kill tkill tgkill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
        rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
        sigaltstack sigprocmask sigreturn restart_syscall",
    ),
    // Reading clocks, and timers. clock_adjtime and adjtimex read without
    // CAP_SYS_TIME and set with it.
    always(
        "time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64
        clock_nanosleep clock_nanosleep_time64 clock_adjtime clock_adjtime64 adjtimex nanosleep
        alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime
        timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
        timerfd_gettime64 timerfd_settime timerfd_settime64",
    ),
    // Scheduling and limits.
    always(
        "sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam
        sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max
        sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 sched_yield
        getpriority setpriority ioprio_get ioprio_set getrlimit setrlimit ugetrlimit prlimit64
        getrusage getcpu",
    ),
    // Using sockets that one has. Making them stands apart, by family.
    always(
        "accept accept4 bind connect listen shutdown getpeername getsockname getsockopt setsockopt
        socketpair recv recvfrom recvmsg recvmmsg recvmmsg_time64 send sendto sendmsg sendmmsg",
    ),
    // Messages, semaphores and memory of the IPC namespace. 32-bit x86 has
    // them all in one call.
    always(
        "ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat
        shmctl shmdt shmget mq_getsetattr mq_notify mq_open mq_timedreceive
        mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink",
    ),
    // Shutting oneself in further.
    always("seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self"),
    // Questions about the machine, randomness, and what the kernel has its
    // own probes call.
    always("uname sysinfo getrandom uretprobe riscv_hwprobe"),
    // Looking into one's own processes. Before 4.8 a tracer could change a
    // call after the filter had seen it.
    Group {
        calls: "ptrace process_vm_readv process_vm_writev",
        when: When::Kernel((4, 8)),
    },
    // Segments and threads' registers. modify_ldt is for Wine and old 32-bit
    // programs.
    Group {
        calls: "arch_prctl modify_ldt",
        when: When::X86,
    },
    // What ARM needs from the kernel where x86 needs nothing, and its own
    // order of arguments.
    Group {
        calls: "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
        when: When::Arm,
    },
    // A handle is a file's number: with it any file of the disk can be opened,
    // whatever the root directory is ("Shocker").
    with("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    // Mounts, namespaces, names, quotas: to administer a system.
    with(
        "CAP_SYS_ADMIN",
        "bpf fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
        lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree
        perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2
        unshare",
    ),
    with("CAP_SYS_BOOT", "reboot"),
    // In the default set, and so the call is.
    with("CAP_SYS_CHROOT", "chroot"),
    with("CAP_SYS_MODULE", "delete_module init_module finit_module"),
    with("CAP_SYS_PACCT", "acct"),
    with(
        "CAP_SYS_PTRACE",
        "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    ),
    with("CAP_SYS_RAWIO", "iopl ioperm"),
    with(
        "CAP_SYS_TIME",
        "settimeofday stime clock_settime clock_settime64",
    ),
    with("CAP_SYS_TTY_CONFIG", "vhangup"),
    with(
        "CAP_SYS_NICE",
        "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    ),
    with("CAP_SYSLOG", "syslog"),
    with("CAP_BPF", "bpf"),
    with("CAP_PERFMON", "perf_event_open"),
];
