/* sandbox: see the header. The filter is a list of what is refused, as the C library and libcurl
 * may come to use other calls with every version; the files are a list of what is allowed. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "conffile.h"
#include "store/books.h"
#include "upstream/source.h"

/* Landlock's rights by the version that they came with (landlock(7)); older headers lack some. */
#define RIGHT_REFER    (UINT64_C(1) << 13)
#define RIGHT_TRUNCATE (UINT64_C(1) << 14)
#define RIGHT_IOCTL    (UINT64_C(1) << 15)
#define RIGHT_BIND_TCP (UINT64_C(1) << 0)
#define RIGHTS_FIRST   (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1) /* all of version 1 */

#define READS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITES                                                                    \
	(READS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	    LANDLOCK_ACCESS_FS_MAKE_REG | RIGHT_TRUNCATE)
#define FILE_RIGHTS                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
	    LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL)

/* Since version 4; earlier kernels take the first member alone. */
struct ruleset {
	uint64_t files, net;
};

struct landlock {
	int fd;
	int version;
	uint64_t files; /* the rights that are ruled */
};

/* -1: the kernel has none. */
static int
landlock_open(struct landlock *l)
{
	struct ruleset r = { .files = RIGHTS_FIRST };
	size_t size = sizeof(r.files);

	l->version = (int)syscall(
	    SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
	if (l->version < 1)
		return -1;
	r.files |= l->version >= 2 ? RIGHT_REFER : 0;
	r.files |= l->version >= 3 ? RIGHT_TRUNCATE : 0;
	r.files |= l->version >= 5 ? RIGHT_IOCTL : 0;
	if (l->version >= 4) {
		r.net = RIGHT_BIND_TCP;
		size = sizeof(r);
	}
	l->files = r.files;
	l->fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0U);
	return l->fd < 0 ? -1 : 0;
}

/* Allows what is there, or below it. What is not there cannot be used anyway. */
static int
allow_path(const struct landlock *l, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights & l->files };
	struct stat st;
	int rc;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= FILE_RIGHTS;
	rc = (int)syscall(SYS_landlock_add_rule, l->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0U);
	(void)close(rule.parent_fd);
	return rc;
}

/* Allows a file's folder, in which a new file may take its place; NULL is fine. */
static int
allow_folder_of(const struct landlock *l, const char *path)
{
	char folder[PATH_MAX_LEN];
	const char *slash = path ? strrchr(path, '/') : NULL;
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (!path)
		return 0;
	if (!slash || n == 0)
		return allow_path(l, slash ? path : ".", READS);
	if (n >= sizeof(folder))
		return 0;
	memcpy(folder, path, n);
	folder[n] = '\0';
	return allow_path(l, folder, READS);
}

/* The same, and where a link leads to. */
static int
allow_file(const struct landlock *l, const char *path)
{
	char *real = path && *path ? realpath(path, NULL) : NULL;
	int rc = allow_folder_of(l, path) || (real && allow_folder_of(l, real)) ? -1 : 0;

	free(real);
	return rc;
}

static int
allow_system(const struct landlock *l)
{
	static const char *const readable[] = { "/usr", "/lib", "/lib64", "/etc", "/proc/self",
		"/proc/sys", "/dev/urandom" };

	for (size_t i = 0; i < sizeof(readable) / sizeof(*readable); i++)
		if (allow_path(l, readable[i], READS))
			return -1;
	return allow_path(l, "/dev/null", READS | LANDLOCK_ACCESS_FS_WRITE_FILE) ||
		allow_file(l, "/etc/resolv.conf")
	    ? -1
	    : 0;
}

static int
allow_upstream(const struct landlock *l, const struct conf_upstream *u)
{
	return allow_file(l, source_file(u)) || allow_file(l, u->ca_file) ? -1 : 0;
}

static int
allow_configured(const struct landlock *l, const struct conf *c, const char *conf_path)
{
	const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");

	for (size_t i = 0; i < c->upstreams_n; i++)
		if (allow_upstream(l, &c->upstreams[i]))
			return -1;
	/* The store makes the folder when it is missing, which it then could no longer. */
	(void)books_folder(c->state);
	return allow_path(l, c->state, WRITES) || allow_file(l, conf_path) ||
		allow_file(l, c->keys) || allow_file(l, conffile_prices_path(c)) ||
		allow_file(l, c->store.password_file) || allow_file(l, c->store.ca_file) ||
		allow_file(l, token)
	    ? -1
	    : 0;
}

/* The version that is in force; 0: the kernel has none; -1 with errno. */
static int
restrict_files(const struct conf *c, const char *conf_path)
{
	struct landlock l;
	int rc;

	if (landlock_open(&l))
		return errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM ? 0 : -1;
	rc = allow_system(&l) || allow_configured(&l, c, conf_path) ||
		syscall(SYS_landlock_restrict_self, l.fd, 0U)
	    ? -1
	    : l.version;
	(void)close(l.fd);
	return rc;
}

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#endif

#ifdef ARCHITECTURE
/* Numbers with this bit are of another calling convention of x86-64, x32. */
#define X32_BIT 0x40000000u

static const unsigned refused[] = { SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv,
	SYS_process_vm_writev, SYS_pidfd_getfd, SYS_kcmp, SYS_mount, SYS_umount2, SYS_pivot_root,
	SYS_chroot, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount,
	SYS_fspick, SYS_mount_setattr, SYS_setns, SYS_unshare, SYS_bpf, SYS_perf_event_open,
	SYS_userfaultfd, SYS_io_uring_setup, SYS_init_module, SYS_finit_module, SYS_delete_module,
	SYS_kexec_load, SYS_kexec_file_load, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_sethostname,
	SYS_setdomainname, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex,
	SYS_acct, SYS_quotactl, SYS_add_key, SYS_request_key, SYS_keyctl, SYS_setuid, SYS_setgid,
	SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_setfsuid,
	SYS_setfsgid, SYS_personality, SYS_open_by_handle_at, SYS_syslog, SYS_vhangup,
	SYS_mknodat };
static const unsigned families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

#define REFUSED_N  (sizeof(refused) / sizeof(*refused))
#define FAMILIES_N (sizeof(families) / sizeof(*families))
/* Head, what is refused, sockets, and the three ends. */
#define STEPS_MAX (8 + 2 * REFUSED_N + 2 * FAMILIES_N + 8)

#define STATEMENT(code, k) ((struct sock_filter)BPF_STMT((code), (k)))
#define IF_EQUAL(k, then, else) \
	((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (then), (else)))
#define LOAD(member)  STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ALLOW	      STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(errno) STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (errno))

/* Writes the filter; how many steps. */
static size_t
write_filter(struct sock_filter steps[static STEPS_MAX])
{
	size_t n = 0;

	steps[n++] = LOAD(arch);
	steps[n++] = IF_EQUAL(ARCHITECTURE, 1, 0);
	steps[n++] = REFUSE(ENOSYS);
	steps[n++] = LOAD(nr);
	steps[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	steps[n++] = REFUSE(ENOSYS);
	for (size_t i = 0; i < REFUSED_N; i++) {
		steps[n++] = IF_EQUAL(refused[i], 0, 1);
		steps[n++] = REFUSE(EPERM);
	}
	steps[n++] = IF_EQUAL(SYS_socket, 1, 0);
	steps[n++] = ALLOW;
	/* The lower half of the first argument; of the upper one the kernel takes no notice. */
	steps[n++] = LOAD(args[0]);
	for (size_t i = 0; i < FAMILIES_N; i++) {
		steps[n++] = IF_EQUAL(families[i], 0, 1);
		steps[n++] = ALLOW;
	}
	steps[n++] = REFUSE(EAFNOSUPPORT);
	return n;
}

/* 1: in force; 0: the kernel has none; -1 with errno. */
static int
restrict_calls(void)
{
	struct sock_filter steps[STEPS_MAX];
	struct sock_fprog program = { (unsigned short)write_filter(steps), steps };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		return 1;
	return errno == EINVAL || errno == ENOSYS ? 0 : -1;
}
#else
static int
restrict_calls(void)
{
	return 0;
}
#endif

static int
restrict_all(const struct conf *c, const char *conf_path)
{
	int files, calls;

	/* Without it neither is open to an unprivileged process. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		files = calls = -1;
	else if ((files = restrict_files(c, conf_path)) >= 0)
		calls = restrict_calls();
	else
		calls = -1;
	if (files < 0 || calls < 0) {
		log_error("sandbox", "what=\"cannot be entered: %m\"");
		return -1;
	}
	if (files > 0 && calls > 0)
		log_info("sandbox", "pid=%ld landlock=%d seccomp=%d what=\"entered\"",
		    (long)getpid(), files, calls);
	else
		log_warn("sandbox",
		    "pid=%ld landlock=%d seccomp=%d what=\"entered in part: the kernel has no more\"",
		    (long)getpid(), files, calls);
	return 0;
}

int
sandbox_enter(const char *conf_path, const char *const *kinds)
{
	struct buf text = buf_make(CONF_FILE_MAX), ignored = buf_make(CONF_FILE_MAX);
	struct conf *c = NULL;
	int rc = 0;

	if (file_read(conf_path, &text) == 0)
		c = conffile_parse(conf_path, &text, kinds, &ignored, &ignored);
	if (c && c->sandbox)
		rc = restrict_all(c, conf_path);
	conf_free(c);
	buf_free(&text);
	buf_free(&ignored);
	return rc;
}

void
sandbox_hide(void)
{
	struct rlimit none = { 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	/* A handler of core dumps that the kernel starts does not ask for the limit. */
	(void)prctl(PR_SET_DUMPABLE, 0);
}
