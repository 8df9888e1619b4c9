/* jsontext: the bytes of JSON strings, for those who read and write them. Pure. */
#ifndef POSTERN_WIRE_JSONTEXT_H
#define POSTERN_WIRE_JSONTEXT_H

#include <stddef.h>

#include "base/word.h"

/* True when any of the eight bytes is a quote, a backslash, a control character or not ASCII. A
 * borrow between the bytes can only be set off by a byte that is special itself. */
static inline bool
jsontext_plain_ends_in(uint64_t x)
{
	uint64_t quote = x ^ WORD_EVERY('"');
	uint64_t backslash = x ^ WORD_EVERY('\\');
	uint64_t hit =
	    (x - WORD_EVERY(0x20)) | (quote - WORD_EVERY(1)) | (backslash - WORD_EVERY(1)) | x;

	return (hit & WORD_EVERY(0x80)) != 0;
}

static inline bool
jsontext_plain_is(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 0x20 && u < 0x80 && u != '"' && u != '\\';
}

/* The end of the run of bytes from p on that stand for themselves in a string. */
static inline const char *
jsontext_plain_end(const char *p, const char *end)
{
	while (end - p >= 8 && !jsontext_plain_ends_in(word_at(p)))
		p += 8;
	while (p < end && jsontext_plain_is(*p))
		p++;
	return p;
}

/* The length of the character that begins at p, 0 when it is not valid (RFC 3629 4: no overlong
 * forms, no surrogates, nothing over U+10FFFF). p < end. */
size_t jsontext_utf8_len(const char *p, const char *end);

#endif
