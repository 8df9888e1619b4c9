/* registry: the one page that lists every surface, kind and store of the program. To add one is a
 * file and a row here. */
#ifndef POSTERN_REGISTRY_H
#define POSTERN_REGISTRY_H

#include "parts.h"

/* The program's parts. */
const struct parts *registry(void);

#endif
