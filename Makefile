# Postern. `make` builds build/postern; `make demo`, `make check`, `make bench` and `make install` do as they say.
# CFLAGS, CPPFLAGS and LDFLAGS are yours; what the code needs is added to them. Hardening is in HARDEN and can be emptied.

VERSION = 0.1.0
CC = gcc
CLANG = clang
CFLAGS = -O2 -g
PREFIX = /usr
SYSCONFDIR = /etc
DESTDIR =

HARDEN = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fstack-clash-protection -Wformat -Werror=format-security
HARDEN_LD = -pie -Wl,-z,relro,-z,now -Wl,--as-needed
PKGS = fcgi libcurl json-c libconfuse lmdb hiredis libssl libcrypto zlib
NEED = -std=gnu11 -D_GNU_SOURCE -DPOSTERN_VERSION='"$(VERSION)"' -DPOSTERN_PRICES='"$(PREFIX)/share/postern/prices"' \
	-Isrc -Ibuild/gen -MMD -MP -pthread
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS = $(shell pkg-config --libs $(PKGS)) -pthread

BASE = buf clock fault file hash log num span spool stamp tail
WIRE = eventstream header json jsonput jsontext jsontree jwt sigv4 sse uri
POLICY = admission attempts awscredentials bucket conf confcheck confrow confscan confstore confupstream confvalue cooldown estimate finding glob \
	googlecredentials key ledger namelist period price pricelist route strikes tally usage
DIALECT = envelope messages models refusal
UPSTREAM = anthropic awssource bedrock bedrockerror chatanswer chatargs chatblocks chaterror chatlike chatmessages chatpath \
	chatrequest chatstream chatwords cloud credential echo fetch googlesource headerlist hreq lastuser links meter openai outbody scrub secretfile \
	signing source sourced transfer vertex
STORE = books bootfile cooldowns drain filelock forward keeper keyfile keyindex keysegment keytable keywatch kv kvmeta ledgerfile limiter \
	limitkept limitlease limitpurse limitqueue limitrecord limitsfile limitsweep limitwork listing local redis \
	rediscache redisholder rediskeys redislink redisname redisscript redissock redistotals rows totals wrongkeys
FRONT = cgi fcgi watch
CMD = cells check check_reach check_upstreams conf_load key key_import key_list keys ledger ledgerlist ledgerscan lines \
	report report_ask report_print seqset shown store_open sums usage verify
TOP = admit answer call chunking conffile framing gate handover intake listener notify outcome parking parts pool receipt registry relay sandbox serve stores stream supervisor \
	surface whole who

SOURCES = $(BASE:%=src/base/%.c) $(WIRE:%=src/wire/%.c) $(POLICY:%=src/policy/%.c) $(DIALECT:%=src/dialect/%.c) \
	$(UPSTREAM:%=src/upstream/%.c) $(STORE:%=src/store/%.c) $(FRONT:%=src/front/%.c) $(CMD:%=src/cmd/%.c) \
	$(TOP:%=src/%.c)

.PHONY: all demo check bench soak install clean
.SECONDARY:

all: build/postern

# The script that Redis runs, without its comments, as a C string, and the name that Redis knows it by.
GEN = build/gen/store/redis_lua.h
$(GEN): src/store/redis.lua
	@mkdir -p $(@D)
	@sed -e '/^[[:blank:]]*--/d' -e '/^$$/d' $< >$@.text
	@{ printf '#define REDIS_LUA_SHA1 "%.40s"\n' "$$(sha1sum <$@.text)" && echo 'static const char redis_lua[] =' && \
		sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$$/\\n"/' $@.text && echo ';'; } >$@.new
	@mv $@.new $@

# Every variant is the same tree of objects under its own folder: $(1) folder, $(2) compiler, $(3) flags, $(4) linker's.
define variant
$(1)/obj/%.o: src/%.c
	@mkdir -p $$(@D)
	$(2) $$(NEED) $$(PKG_CFLAGS) $$(CPPFLAGS) $(3) -c $$< -o $$@
$(1)/libpostern.a: $$(SOURCES:src/%.c=$(1)/obj/%.o)
	@rm -f $$@
	ar rcs $$@ $$^
$(1)/postern: $(1)/obj/main.o $(1)/libpostern.a
	$(2) $(3) $(4) -o $$@ $$^ $$(PKG_LIBS)
$(1)/tests/%: tests/%.c $(1)/libpostern.a
	@mkdir -p $$(@D)
	$(2) $$(NEED) -Itests -Itests/unit $$(PKG_CFLAGS) $$(CPPFLAGS) $(3) $(4) $$(WRAPPED) -MF $$@.d -o $$@ $$< $(1)/libpostern.a $$(PKG_LIBS)
$(1)/obj/store/redisscript.o: $$(GEN)
-include $$(SOURCES:src/%.c=$(1)/obj/%.d) $(1)/obj/main.d $$(wildcard $(1)/tests/*/*.d)
endef

SAN = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
TSAN = -O1 -g -fno-omit-frame-pointer -fsanitize=thread
FUZZER = -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined

$(eval $(call variant,build,$$(CC),$$(CFLAGS) $$(HARDEN),$$(HARDEN_LD) $$(LDFLAGS)))
$(eval $(call variant,build/san,$$(CC),$$(SAN),))
$(eval $(call variant,build/tsan,$$(CLANG),$$(TSAN),))
$(eval $(call variant,build/fuzzed,$$(CLANG),$$(FUZZER),))

build/fuzz/%: tests/fuzz/%.c build/fuzzed/libpostern.a
	@mkdir -p $(@D)
	$(CLANG) $(NEED) -Itests $(PKG_CFLAGS) $(CPPFLAGS) $(FUZZER) -fsanitize=fuzzer -MF $@.d -o $@ $< build/fuzzed/libpostern.a $(PKG_LIBS)

# It makes threads that start late.
build/tsan/tests/pool/test_pool: private WRAPPED = -Wl,--wrap=pthread_create

# T=unit,host narrows it to some layers; tests/run builds what each layer needs.
check:
	@tests/install check
	@tests/run $(T)

demo:
	@tests/install $(if $(filter apache,$(SERVER)),demo-apache,demo)
	@$(MAKE) --no-print-directory -s build/postern
	@deploy/demo

bench:
	@tests/install bench
	@$(MAKE) --no-print-directory -s build/postern
	@tests/bench/bench

# Half an hour; SOAK="--seconds 600 --streams 2000" and the like for another one, see tests/soak/soak.
soak:
	@tests/install soak
	@$(MAKE) --no-print-directory -s build/postern
	@tests/soak/soak $(SOAK)

# The shipped files name /usr/bin/postern and /etc/postern; what is installed names the places that it went to.
SHARE = $(DESTDIR)$(PREFIX)/share/postern
UNITS = $(DESTDIR)$(PREFIX)/lib/systemd/system
MAN = $(DESTDIR)$(PREFIX)/share/man
PLACES = -e 's|/usr/bin/postern|$(PREFIX)/bin/postern|g' -e 's|/etc/postern|$(SYSCONFDIR)/postern|g' \
	-e 's|/usr/share/postern|$(PREFIX)/share/postern|g'
HOST_FILES = apache/htaccess apache/postern-cgi.conf apache/postern-fcgid.conf apache/postern-proxy.conf \
	lighttpd/postern-bin-path.conf lighttpd/postern-cgi.conf lighttpd/postern-socket.conf \
	deploy/nginx-postern.conf deploy/postern-spawn deploy/postern.conf.example deploy/postern.conf.langdock
CONF = $(DESTDIR)$(SYSCONFDIR)/postern/postern.conf

# A config that is there is never touched, nor are the modes of its folder.
install: build/postern
	install -D -m 0755 build/postern $(DESTDIR)$(PREFIX)/bin/postern
	install -d $(SHARE)/apache $(SHARE)/lighttpd $(SHARE)/deploy $(UNITS)
	set -e; for f in $(HOST_FILES); do sed $(PLACES) $$f >$(SHARE)/$$f; chmod 0644 $(SHARE)/$$f; done
	chmod 0755 $(SHARE)/deploy/postern-spawn
	install -D -m 0644 deploy/prices $(SHARE)/prices
	set -e; for f in postern.service postern.socket; do sed $(PLACES) deploy/$$f >$(UNITS)/$$f; chmod 0644 $(UNITS)/$$f; done
	install -D -m 0644 doc/postern.1 $(MAN)/man1/postern.1
	install -D -m 0644 doc/postern.conf.5 $(MAN)/man5/postern.conf.5
	test -e $(CONF) || install -D -m 0644 $(SHARE)/deploy/postern.conf.example $(CONF)

clean:
	rm -rf build
