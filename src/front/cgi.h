/* front_cgi: one call per process, by environment, standard input and standard output (RFC 3875).
 */
#ifndef POSTERN_FRONT_CGI_H
#define POSTERN_FRONT_CGI_H

#include "front/front.h"

extern const struct front front_cgi;

#endif
