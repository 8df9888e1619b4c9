/* cmd: the subcommands of the program, one file each. argv[0] is the name of the subcommand; the
 * result is the exit status. */
#ifndef POSTERN_CMD_CMD_H
#define POSTERN_CMD_CMD_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/conf.h"
#include "store/keyfile.h"
#include "store/store.h"

/* `postern key add | list | revoke | rotate | import`. */
int cmd_key(int argc, char **argv);

/* `postern check`. */
int cmd_check(int argc, char **argv);

/* `postern usage`. */
int cmd_usage(int argc, char **argv);

/* `postern ledger verify`. */
int cmd_ledger(int argc, char **argv);

/* Reads a configuration, as conf_parse does; an unreadable file is a line in errors. Where memory
 * is out even for that, the reason is on standard error. */
MUST_CHECK struct conf *cmd_conf_load(const char *path, struct buf *errors, struct buf *warnings);

/* Finds (conffile_path) and reads the configuration; NULL with the reason on standard error. */
MUST_CHECK struct conf *cmd_conf_open(const char *given);

/* Opens the configured store for looking alone; NULL with the reason on standard error. */
MUST_CHECK struct store *cmd_store_open(const struct conf *c);

/* Where the keys are, for messages. */
const char *cmd_keys_name(const struct conf *c);

/* Appends all key lines to text, as they stand in a key file. -1 with the reason on standard error.
 */
MUST_CHECK int cmd_keys_read(const struct conf *c, struct buf *text);

/* Changes the keys, as keyfile_edit does. */
MUST_CHECK int cmd_keys_edit(const struct conf *c, keyfile_change *change, void *arg);

/* `postern key list`: the keys as a table on standard output, damaged lines on standard error. The
 * exit status. */
int cmd_key_list(const struct conf *c);

/* `postern key import`: adds the good lines of a key file that are not there yet. The exit status.
 */
int cmd_key_import(const struct conf *c, const char *file);

#endif
