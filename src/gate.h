/* gate: what a process keeps between calls: the configuration in force, the store, the credentials.
 * An era is one configuration with all that belongs to it; a call holds the era it began in until
 * it ends, whatever is reloaded meanwhile. */
#ifndef POSTERN_GATE_H
#define POSTERN_GATE_H

#include "base/check.h"
#include "parts.h"
#include "policy/conf.h"
#include "store/store.h"
#include "upstream/credential.h"
#include "upstream/transfer.h"

struct gate;

struct era {
	const struct conf *conf;
	struct store *store; /* NULL: it cannot be opened; the reason was logged */
	struct credentials *credentials;
	struct cooldowns *cooldowns; /* NULL: there are none */
	struct wrongkeys *wrongkeys; /* NULL: they are not counted */
};

/* Opens the gate over a configuration file. NULL only when memory is out: a file that is broken or
 * missing is logged, and gate_enter gives NULL until it is mended. All arguments are borrowed. */
struct gate *gate_open(const struct parts *parts, const char *conf_path, int cut_fd);

/* Frees the gate; no call may be in it. NULL is fine. */
void gate_close(struct gate *g);

/* The era in force, held for the caller; reads the configuration again when its file has changed. A
 * broken new file leaves the old era in force and is logged once. NULL when there has never been a
 * good one. Safe for all threads. */
struct era *gate_enter(struct gate *g);

/* Ends what gate_enter began. */
void gate_leave(struct gate *g, struct era *e);

/* What the gate is put together from. */
const struct parts *gate_parts(const struct gate *g);

/* The descriptor that becomes readable when calls must end now. */
int gate_cut_fd(const struct gate *g);

/* What all threads' transfers share; made at the first use, so that a call that needs no upstream
 * does not pay for libcurl. NULL when it cannot be made. */
struct transfer_shared *gate_shared(struct gate *g);

#endif
