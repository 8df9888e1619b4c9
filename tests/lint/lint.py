#!/usr/bin/python3
"""Proves the fences of the house: who may include whom, what may be called where, how code is laid out.

Each rule is a row of RULES and yields a line per breach; the rule's result is one line of output.
With --self-test every small tree under bad/ must be caught by the one rule it is named after.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import source

HERE = pathlib.Path(__file__).resolve().parent

# A folder may use itself and those before it. Plain files of src come after the folders; the last
# four hold the program together and nothing else may lean on them.
FOLDERS = ["base", "wire", "policy", "dialect", "upstream", "store", "front"]
TOP = {"registry": 1, "serve": 2, "cmd": 3, "main": 4}

PURE_FOLDERS = {"wire", "policy", "dialect", "upstream"}
PURE_NOT = {f"upstream/{name}" for name in (
    "awssource", "credential", "fetch", "googlesource", "headerlist", "links", "outbody", "secretfile", "signing", "source", "transfer")}

HOMES = {
    r"fcgiapp\.h|fcgios\.h|fcgi_stdio\.h|fcgi_config\.h|fastcgi\.h": ["front/fcgi.c"],
    r"curl/.*": ["upstream/fetch.c", "upstream/headerlist.c", "upstream/transfer.c"],
    r"lmdb\.h": ["store/keyindex.c", "store/kv.c"],
    r"hiredis.*": ["store/redislink.c"],
    r"confuse\.h": ["policy/conf.c"],
    r"json-c/.*|json\.h": ["wire/jsontree.c"],
    r"openssl/.*": ["base/hash.c", "store/redissock.c", "wire/jwt.c", "wire/sigv4.c"],
    r"zlib\.h": ["wire/eventstream.c"],
    r"linux/.*|sys/syscall\.h": ["sandbox.c"],
}

# Headers that make writes, and the files that may read them.
MADE = {"store/redis_lua.h": "store/redisscript.c"}

SYSTEM = set("""
    arpa/inet.h assert.h ctype.h dirent.h errno.h fcntl.h fnmatch.h getopt.h grp.h inttypes.h
    libgen.h limits.h locale.h malloc.h math.h netdb.h netinet/in.h netinet/tcp.h poll.h pthread.h pwd.h
    sched.h signal.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h
    stdnoreturn.h string.h strings.h sys/epoll.h sys/eventfd.h sys/file.h sys/mman.h sys/prctl.h
    sys/random.h sys/resource.h sys/select.h sys/signalfd.h sys/socket.h sys/stat.h sys/statvfs.h
    sys/time.h sys/timerfd.h sys/types.h sys/uio.h sys/un.h sys/vfs.h sys/wait.h syslog.h time.h
    unistd.h
""".split())

# What reads or writes anything but the arguments. A member of a struct may have such a name.
IMPURE = set("""
    accept accept4 access bind chdir chmod chown clock clock_gettime clock_nanosleep close closedir
    connect creat dprintf dup dup2 epoll_create1 epoll_ctl epoll_wait execl execv execve execvp exit
    _exit fchmod fchown fclose fcntl fdatasync fdopen feof ferror fflush fgetc fgets fileno flock
    fopen fork fprintf fputc fputs fread freopen fscanf fseek fstat fsync ftell ftruncate fwrite
    getaddrinfo getc getchar getcwd getdelim getegid getenv geteuid getgid gethostbyname getline
    getpeername getpid getppid getpwnam getrandom getrlimit getsockname getsockopt gettimeofday
    getuid inotify_init isatty kill link listen log_event lseek lstat mkdir mkdtemp mkfifo mkostemp
    mkstemp mmap munmap nanosleep open openat opendir perror pipe pipe2 poll popen ppoll pread
    printf pselect pthread_create putc putchar putenv puts pwrite raise read readdir readlink readv
    realpath recv recvfrom recvmsg remove rename rewind rmdir secure_getenv select send sendfile
    sendmsg sendto setenv setlocale setrlimit setsockopt setvbuf shutdown sigaction signal
    sigprocmask sleep socket socketpair stat statvfs symlink sync sysconf syslog system time
    timerfd_create tmpfile truncate umask uname unlink unlinkat unsetenv usleep utimensat vdprintf
    vfprintf vprintf vsyslog wait waitpid write writev cfg_parse cfg_parse_fp json_object_from_fd
    json_object_from_file json_object_to_fd json_object_to_file
""".split())
IMPURE_WORDS = {"environ", "stdin", "stdout", "stderr"}
IMPURE_HEADERS = {"base/log.h", "base/clock.h", "base/spool.h"}

# Why: no bounds, hidden state shared by threads, a shell, or silently wrong numbers.
BANNED = set("""
    FCGX_FPrintF FCGX_VFPrintF alloca asctime atof atoi atol atoll ctime drand48 getgrnam gethostbyname
    getpwnam gets gmtime inet_ntoa localtime lrand48 mktemp mrand48 popen rand rand_r random scanf sprintf srand srandom sscanf stpcpy
    strcat strcpy strdupa strncat strncpy strndupa strtok strtok_r swprintf system tempnam tmpnam
    vfork vscanf vsprintf vsscanf
""".split())
NUMBERS = set("strtod strtof strtoimax strtol strtold strtoll strtoul strtoull strtoumax".split())
NUMBERS_HOME = "base/num.c"

LINES_MAX = 80
PARAMETERS_MAX = 5

# Variables that stay writable while the program runs, each with the reason it must be one.
GLOBALS_ALLOWED = {}


def folder_of(name):
    return name.split("/")[0] if "/" in name else None


def module_of(name):
    return name.rsplit(".", 1)[0]


def rank(name):
    """Where a file stands in the order of the house; None when its folder is not part of it."""
    folder = folder_of(name)
    if folder in FOLDERS:
        return FOLDERS.index(folder)
    first = folder or module_of(name)
    if first in TOP:
        return len(FOLDERS) + TOP[first]
    return len(FOLDERS) if folder is None else None


def is_pure(name):
    return folder_of(name) in PURE_FOLDERS and module_of(name) not in PURE_NOT


def included(tree, one):
    """The (line, file of src) that a source includes; what is made for it counts as itself."""
    known = {other.name for other in tree}
    for line, mark, header in one.includes():
        if mark != '"':
            continue
        beside = (pathlib.PurePosixPath(one.name).parent / header).as_posix()
        made = one.name if MADE.get(header) == one.name else None
        yield line, header if header in known else beside if beside in known else made


def rule_layers(tree):
    for one in tree:
        mine = rank(one.name)
        if mine is None:
            yield f"{one.name}:1: a folder that is not part of the house"
            continue
        for line, target in included(tree, one):
            if target is None:
                yield f"{one.name}:{line}: includes what is not in src"
            elif rank(target) is not None and rank(target) > mine:
                yield f"{one.name}:{line}: {target} stands above it"


def rule_cycles(tree):
    """A header and its source are one module: what either includes, both lean on."""
    edges = {}
    for one in tree:
        targets = {module_of(t) for _, t in included(tree, one) if t}
        edges.setdefault(module_of(one.name), set()).update(targets - {module_of(one.name)})
    seen = set()

    def walk(module, trail):
        if module in trail:
            yield " > ".join(trail[trail.index(module):] + [module])
        elif module not in seen:
            for target in sorted(edges.get(module, ())):
                yield from walk(target, trail + [module])
            seen.add(module)

    for module in sorted(edges):
        for circle in walk(module, []):
            yield f"{module}.c:1: includes itself by way of {circle}"


def rule_homes(tree):
    for one in tree:
        for line, mark, header in one.includes():
            if mark != "<" or header in SYSTEM:
                continue
            homes = next((h for pattern, h in HOMES.items() if re.fullmatch(pattern, header)), [])
            if one.name not in homes:
                where = " or ".join(homes) or "no file yet"
                yield f"{one.name}:{line}: <{header}> belongs in {where}"


def rule_pure(tree):
    for one in filter(lambda s: is_pure(s.name), tree):
        for line, name in one.calls():
            if name in IMPURE:
                yield f"{one.name}:{line}: {name} in a pure folder"
        for word in re.finditer(r"\b(%s)\b" % "|".join(IMPURE_WORDS), one.code):
            yield f"{one.name}:{one.line_at(word.start())}: {word.group()} in a pure folder"
        for line, target in included(tree, one):
            if target in IMPURE_HEADERS:
                yield f"{one.name}:{line}: {target} in a pure folder"
            elif target and module_of(target) in PURE_NOT:
                yield f"{one.name}:{line}: {target} does input and output"


def rule_banned(tree):
    for one in tree:
        for line, name in one.calls():
            if name in BANNED:
                yield f"{one.name}:{line}: {name} is not used here"
            elif name in NUMBERS and one.root.name == "src" and one.name != NUMBERS_HOME:
                yield f"{one.name}:{line}: {name} belongs in {NUMBERS_HOME}"


def rule_typedef(tree):
    for one in tree:
        for found in re.finditer(r"\btypedef\b([^;]*);", one.code):
            if "{" in found.group(1) or "(" not in found.group(1):
                yield f"{one.name}:{one.line_at(found.start())}: typedef of no function type"


def parameters(signature):
    """How many parameters a signature has; those of a function pointer count as one."""
    inner = signature.strip()[1:-1].strip()
    if inner in ("", "void"):
        return 0
    while re.search(r"\([^()]*\)", inner):
        inner = re.sub(r"\([^()]*\)", "", inner)
    return inner.count(",") + 1


def rule_functions(tree):
    names = {str(one.path): one.name for one in tree}
    for tag in source.functions([one.path for one in tree if one.path.suffix == ".c"]):
        where = f"{names[tag['path']]}:{tag['line']}: {tag['name']}"
        lines = tag["end"] - tag["line"] + 1
        count = parameters(tag["signature"])
        if lines > LINES_MAX:
            yield f"{where} has {lines} lines, more than {LINES_MAX}"
        if count > PARAMETERS_MAX:
            yield f"{where} has {count} parameters, more than {PARAMETERS_MAX}"


def rule_text(tree):
    for one in tree:
        for number, line in enumerate(one.lines, 1):
            if line.rstrip() != line:
                yield f"{one.name}:{number}: white space at the end of the line"
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                yield f"{one.name}:{number}: unfinished"
        if one.text and (not one.text.endswith("\n") or one.text.endswith("\n\n")):
            yield f"{one.name}:{len(one.lines)}: wants exactly one line end at its end"


def prototypes(code):
    """The (offset of the first token) of each function declared at the top level of a header."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank_keep, code, flags=re.MULTILINE)
    start = depth = 0
    for at, char in enumerate(code):
        depth += (char == "{") - (char == "}")
        if char == ";" and depth == 0:
            statement = code[start:at]
            if declares_function(statement):
                yield start + len(statement) - len(statement.lstrip())
            start = at + 1
        elif char == "}" and depth == 0 and re.match(r"\s*[^\s;,=\[]", code[at + 1:at + 200]):
            start = at + 1


def blank_keep(match):
    return re.sub(r"[^\n]", " ", match.group())


def declares_function(statement):
    bare = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", statement, flags=re.DOTALL).strip()
    if re.match(r"(typedef|static_assert|_Static_assert)\b", bare) or "=" in bare:
        return False
    return "{" not in bare and re.search(r"\w\s*\(", bare) is not None


def rule_documented(tree):
    for one in tree:
        if one.path.suffix != ".h":
            continue
        for offset in prototypes(one.code):
            line = one.line_at(offset)
            above = one.lines[line - 2].strip() if line > 1 else ""
            if not above.endswith("*/") and not above.startswith("//"):
                yield f"{one.name}:{line}: no comment says what this function promises"


WRITABLE = re.compile(r"\.(data|bss|tdata|tbss)(?!\.rel\.ro)(\.|$)|\*COM\*")


def rule_globals(tree):
    """Compiles each source as it is, because only the object tells what really stays writable."""
    flags = [f"-I{tree[0].root}"] if HERE in tree[0].path.parents else source.cppflags()
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(one, pathlib.Path(folder) / (one.name.replace("/", "_") + ".o"))
                for one in tree if one.path.suffix == ".c"]
        for one, target in jobs:
            command = ["gcc", "-w", "-fPIE", *flags, "-c", str(one.path),
                       "-o", str(target)]
            if subprocess.run(command, cwd=source.ROOT).returncode != 0:
                yield f"{one.name}:1: does not compile"
        for one, target in jobs:
            for symbol in writable(target) if target.exists() else ():
                if (one.name, symbol) not in GLOBALS_ALLOWED:
                    where = f"{one.name}:{line_of(one, symbol)}"
                    yield f"{where}: {symbol} is a variable of the whole program"


def writable(target):
    out = subprocess.run(["nm", "-f", "sysv", str(target)], check=True, capture_output=True,
                         text=True).stdout
    for line in out.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 7 and cells[3] != "SECTION" and WRITABLE.match(cells[6]):
            yield re.sub(r"\.\d+$", "", cells[0])


def line_of(one, word):
    found = re.search(r"\b%s\b" % re.escape(word), one.code)
    return one.line_at(found.start()) if found else 1


def rule_format(tree):
    for one in tree:
        command = ["clang-format", "--style=file", "--dry-run", "--Werror", str(one.path)]
        done = subprocess.run(command, cwd=source.ROOT, capture_output=True, text=True)
        for found in re.finditer(r":(\d+):\d+: error", done.stderr):
            yield f"{one.name}:{found.group(1)}: is laid out otherwise than clang-format does"
            break
        else:
            if done.returncode != 0:
                yield f"{one.name}:1: {done.stderr.strip()}"


# The name of each rule, whether it holds for the C code of the tests too, and the rule.
RULES = [
    ("layers", False, rule_layers),
    ("cycles", False, rule_cycles),
    ("homes", False, rule_homes),
    ("pure", False, rule_pure),
    ("banned", True, rule_banned),
    ("typedef", True, rule_typedef),
    ("functions", True, rule_functions),
    ("text", True, rule_text),
    ("documented", False, rule_documented),
    ("globals", False, rule_globals),
    ("format", True, rule_format),
]


def check(src, tests):
    """Runs every rule; each is one line, its breaches are indented below it."""
    failed = False
    if not src:
        print("not ok sources - src holds no C file")
        return True
    for name, also_tests, rule in RULES:
        breaches = [f"src/{b}" for b in rule(src)]
        breaches += [f"tests/{b}" for b in rule(tests)] if also_tests else []
        failed |= bool(breaches)
        print(f"not ok {name} - {len(breaches)} breaches" if breaches else f"ok {name}")
        for breach in breaches:
            print("  " + breach)
        sys.stdout.flush()
    return failed


def self_test():
    """A rule that does not bite proves nothing: each bad tree breaks its one rule and no other."""
    failed = False
    for folder in sorted(p for p in (HERE / "bad").iterdir() if p.is_dir()):
        wanted = (folder / "expect").read_text().split()
        tree = source.sources(folder / "src")
        seen = []
        for name, _, rule in RULES:
            seen += [f"{name} {':'.join(b.split(':')[:2])}" for b in rule(tree)]
        wanted = [f"{wanted[i]} {wanted[i + 1]}" for i in range(0, len(wanted), 2)]
        bites = sorted(seen) == sorted(wanted)
        failed |= not bites
        print(f"ok bites {folder.name}" if bites else
              f"not ok bites {folder.name} - wanted {wanted}, got {seen}")
    return failed


def main():
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test())
    sys.exit(check(source.sources(source.ROOT / "src"), test_sources()))


def test_sources():
    """The C code of the tests, without the trees that are bad on purpose."""
    return [s for s in source.sources(source.ROOT / "tests") if not s.name.startswith("lint/bad/")]


if __name__ == "__main__":
    main()
