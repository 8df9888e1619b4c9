/* word: eight bytes looked at at once. */
#ifndef POSTERN_BASE_WORD_H
#define POSTERN_BASE_WORD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A word of eight bytes b. */
#define WORD_EVERY(b) (UINT64_C(0x0101010101010101) * (b))

/* The eight bytes at p. */
static inline uint64_t
word_at(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* True when any of its bytes is b, which is ASCII. */
static inline bool
word_has(uint64_t x, char b)
{
	uint64_t zero = x ^ WORD_EVERY((uint64_t)b);

	return ((zero - WORD_EVERY(1)) & ~zero & WORD_EVERY(0x80)) != 0;
}

#endif
