/* confstore: the options of a configuration that say where the store is. Pure. */
#ifndef POSTERN_POLICY_CONFSTORE_H
#define POSTERN_POLICY_CONFSTORE_H

#include "policy/confvalue.h"

/* Types of options, as those of confvalue; their object is the struct conf. */

/* The store: "local", redis://[user@]host[:port][/db], the same with rediss://, or
 * redis+unix:/path[?db=N]. What is refused is not repeated: it may hold a password. */
void confstore_place(const struct confvalue *v);

/* What happens while the store is away: "refuse" or "local". */
void confstore_away(const struct confvalue *v);

#endif
