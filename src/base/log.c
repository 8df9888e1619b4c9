/* log: see log.h. Writes to standard error and nowhere else, without stdio's lock or buffer. */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/num.h"

static const char *const level_names[] = {
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};
static_assert(sizeof(level_names) / sizeof(level_names[0]) == LOG_LEVEL_ERROR + 1,
    "every level has its name");

static bool
log_is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* The length of text without the half UTF-8 character that a cut at n may have left at its end. */
static size_t
log_whole(const char *text, size_t n)
{
	size_t lead = n;

	while (lead > 0 && n - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
		lead--;
	if (lead == 0)
		return n;

	unsigned char c = (unsigned char)text[lead - 1];
	size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

	return n - (lead - 1) < need ? lead - 1 : n;
}

/* Turns what snprintf says it would have written into what is there. */
static size_t
log_written(const char *text, int n, size_t size)
{
	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : log_whole(text, size - 1);
}

/* One write, so that lines of several processes do not mix. What cannot be written is lost: there
 * is no better place to say so. */
static void
log_write(const char *line, size_t n)
{
	while (write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
		;
}

void
log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	int saved = errno;
	char line[LOG_LINE_MAX + 1]; /* with the zero that snprintf wants */
	char time[NUM_TIME_LEN];
	va_list ap;

	num_time_ms(clock_wall_ms(), time);

	/* The last byte but one is kept for the newline. */
	size_t size = sizeof(line) - 1;
	int n = snprintf(line, size, "time=%s level=%s event=%s ", time, level_names[level], event);
	size_t len = log_written(line, n, size);

	va_start(ap, fmt);
	n = vsnprintf(line + len, size - len, fmt, ap);
	va_end(ap);
	len += log_written(line + len, n, size - len);
	for (size_t i = 0; i < len; i++) {
		if (log_is_control(line[i]))
			line[i] = ' ';
	}
	while (len > 0 && line[len - 1] == ' ')
		len--;
	line[len++] = '\n';
	log_write(line, len);
	errno = saved;
}

const char *
log_value(struct span s, char out[static LOG_VALUE_LEN])
{
	static const char more[] = "...";
	const size_t room = LOG_VALUE_LEN - sizeof(more) - 1; /* for `..."` and the zero */
	size_t len = 0, i;

	out[len++] = '"';
	for (i = 0; i < s.n && len + 2 <= room; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			out[len++] = '\\';
		out[len++] = log_is_control(s.p[i]) ? ' ' : s.p[i];
	}
	if (i < s.n) {
		len = log_whole(out, len);
		memcpy(out + len, more, sizeof(more) - 1);
		len += sizeof(more) - 1;
	}
	out[len++] = '"';
	out[len] = '\0';
	return out;
}
