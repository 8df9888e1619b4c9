/* frames: event streams of AWS's with their checksums put right, without which hardly any input
 * would come further than to the first. */
#ifndef POSTERN_TESTS_FUZZ_FRAMES_H
#define POSTERN_TESTS_FUZZ_FRAMES_H

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#define FRAMES_MIN 16u /* of a frame without headers and payload */

static inline uint32_t
frames_read(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void
frames_write(uint8_t *p, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Puts the checksums of all frames right, as far as their lengths can be followed. */
static inline void
frames_repair(uint8_t *p, size_t n)
{
	while (n >= FRAMES_MIN) {
		size_t total = frames_read(p);

		frames_write(p + 8, (uint32_t)crc32_z(0, p, 8));
		if (total < FRAMES_MIN || total > n)
			return;
		frames_write(p + total - 4, (uint32_t)crc32_z(0, p, total - 4));
		p += total;
		n -= total;
	}
}

#endif
