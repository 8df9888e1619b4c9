/* log: one line per event on standard error, `time=… level=… event=… key=value …`, in one write(2).
 * Never a secret, never prompt text: callers pass names, ids and reasons. */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include "base/check.h"
#include "base/span.h"

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Writes one line. event is a fixed word; fmt makes the `key=value` rest. A line over LOG_LINE_MAX
 * is cut. Control characters in the result are replaced by spaces, so that a value cannot forge a
 * line. */
void log_line(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_info(event, ...)  log_line(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_line(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_line(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#define LOG_VALUE_LEN 256

/* Quotes a value of foreign origin for a log line into out ("…" with \" and \\ escaped, cut when
 * too long) and returns out. */
const char *log_value(struct span s, char out[static LOG_VALUE_LEN]);

#endif
