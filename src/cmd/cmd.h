/* cmd: the subcommands of the program, one file each. argv[0] is the name of the subcommand; the
 * result is the exit status. */
#ifndef POSTERN_CMD_CMD_H
#define POSTERN_CMD_CMD_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/conf.h"
#include "store/store.h"

/* `postern key add | list | revoke | rotate`. */
int cmd_key(int argc, char **argv);

/* `postern check`. */
int cmd_check(int argc, char **argv);

/* `postern usage`. */
int cmd_usage(int argc, char **argv);

/* `postern ledger verify`. */
int cmd_ledger(int argc, char **argv);

/* Reads a configuration, as conf_parse does; an unreadable file is a line in errors. */
MUST_CHECK struct conf *cmd_conf_load(const char *path, struct buf *errors, struct buf *warnings);

/* Finds (conffile_path) and reads the configuration; NULL with the reason on standard error. */
MUST_CHECK struct conf *cmd_conf_open(const char *given);

/* Opens the configured store for looking alone; NULL with the reason on standard error. */
MUST_CHECK struct store *cmd_store_open(const struct conf *c);

/* `postern key list` over a key file: the keys as a table on standard output, damaged lines on
 * standard error. The exit status. */
int cmd_key_list(const char *keys_path);

#endif
