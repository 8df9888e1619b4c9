/* serve: the `serve` command and what it does without being told: as FastCGI on descriptor 0, on a
 * socket of its own, or as a CGI. */
#ifndef POSTERN_SERVE_H
#define POSTERN_SERVE_H

#include "base/check.h"
#include "base/span.h"

/* Serves by the arguments after the subcommand (or none). Returns the exit status. */
int serve_main(int argc, char **argv);

/* True when a web server runs the program as a CGI: its environment is there, and descriptor 0 is
 * no listening socket. */
bool serve_as_cgi(void);

#endif
