/* decoder: how fast frames of Bedrock's are taken apart and their payload decoded, both checksums
 * and all. Prints `megabytes_per_s N`, the best of several rounds over frames of a model's usual
 * size. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "base/hash.h"
#include "wire/eventstream.h"

#define FRAMES 4000
#define ROUNDS 400

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void
must(int rc)
{
	if (rc) {
		fprintf(stderr, "decoder: it failed\n");
		exit(1);
	}
}

static void
put_u32(struct buf *out, uint32_t v)
{
	char four[4] = { (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v };

	must(buf_add(out, (struct span){ four, 4 }));
}

static void
put_frame(struct buf *out, struct span headers, struct span payload)
{
	size_t from = out->len;

	put_u32(out, (uint32_t)(headers.n + payload.n + 16));
	put_u32(out, (uint32_t)headers.n);
	put_u32(out, (uint32_t)crc32_z(0, (unsigned char *)out->p + from, 8));
	must(buf_add(out, headers));
	must(buf_add(out, payload));
	put_u32(out, (uint32_t)crc32_z(0, (unsigned char *)out->p + from, out->len - from));
}

int
main(void)
{
	const struct span headers = SPAN("\13:event-type\7\0\5chunk"
					 "\15:content-type\7\0\20application/json"
					 "\15:message-type\7\0\5event");
	struct buf payload = buf_make(1 << 20), text = buf_make(64 << 20), out = buf_make(1 << 20);
	double best = 0;

	must(buf_add(&payload, SPAN("{\"bytes\":\"")));
	must(hash_base64(SPAN("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
			      "\"text_delta\",\"text\":\"some words of a model, as they come \"}}"),
	    &payload));
	must(buf_add(&payload, SPAN("\",\"p\":\"abcdefghijklm\"}")));
	for (int i = 0; i < FRAMES; i++)
		put_frame(&text, headers, buf_span(&payload));
	for (int round = 0; round < ROUNDS; round++) {
		struct span rest = buf_span(&text);
		struct eventstream_frame f;
		const char *why;
		int64_t begun = now_ns();
		double speed;
		int n = 0;

		while (eventstream_next(rest, &f, &why) == 1) {
			out.len = 0;
			must(eventstream_bytes(f.payload, &out, &why));
			rest = span_cut(rest, f.raw.n, rest.n);
			n++;
		}
		must(n != FRAMES || rest.n > 0);
		speed = (double)text.len * 1e3 / (double)(now_ns() - begun);
		best = speed > best ? speed : best;
	}
	printf("megabytes_per_s %.0f\n", best);
	return 0;
}
