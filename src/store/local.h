/* store_local: the flat key file, indexed in LMDB in the state folder, and the books that are kept
 * there. */
#ifndef POSTERN_STORE_LOCAL_H
#define POSTERN_STORE_LOCAL_H

#include "store/store.h"

extern const struct store_kind store_local;

#endif
