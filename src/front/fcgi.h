/* front_fcgi: FastCGI through libfcgi, for any host that speaks it. */
#ifndef POSTERN_FRONT_FCGI_H
#define POSTERN_FRONT_FCGI_H

#include "front/front.h"

extern const struct front front_fcgi;

/* Prepares libfcgi once per process, before any thread. Every signal must be blocked: the library
 * installs handlers of its own. */
MUST_CHECK int front_fcgi_init(void);

#endif
