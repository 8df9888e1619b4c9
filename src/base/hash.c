/* hash: see hash.h. The only user of libcrypto's digests. */
#include "base/hash.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

struct hash_stream {
	EVP_MD_CTX *ctx;
};

int
hash_sha256(struct span s, uint8_t out[static HASH_LEN])
{
	return EVP_Digest(s.p, s.n, out, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;
}

/* The library takes a missing key for one that was set before, so an empty one needs a place. */
int
hash_hmac_sha256(struct span key, struct span text, uint8_t out[static HASH_LEN])
{
	uint8_t made[HASH_LEN];
	int rc = -1;

	if (key.n > INT_MAX)
		return -1;
	if (HMAC(EVP_sha256(), key.n > 0 ? key.p : "", (int)key.n, (const unsigned char *)text.p,
		text.n, made, NULL)) {
		memcpy(out, made, HASH_LEN);
		rc = 0;
	}
	OPENSSL_cleanse(made, sizeof(made));
	return rc;
}

static void
hash_free(struct hash_stream *h)
{
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

struct hash_stream *
hash_start(void)
{
	struct hash_stream *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
		hash_free(h);
		return NULL;
	}
	return h;
}

int
hash_add(struct hash_stream *h, struct span s)
{
	return EVP_DigestUpdate(h->ctx, s.p, s.n) == 1 ? 0 : -1;
}

int
hash_finish(struct hash_stream *h, uint8_t out[static HASH_LEN])
{
	int rc = EVP_DigestFinal_ex(h->ctx, out, NULL) == 1 ? 0 : -1;

	hash_free(h);
	return rc;
}

bool
hash_same(const uint8_t a[static HASH_LEN], const uint8_t b[static HASH_LEN])
{
	return CRYPTO_memcmp(a, b, HASH_LEN) == 0;
}

/* The value of a hexadecimal digit plus one; 0 for anything else. A table, because a million keys
 * are read at once and no processor can foresee the digits of a hash. */
static const uint8_t hash_nibbles[256] = {
	['0'] = 1,
	['1'] = 2,
	['2'] = 3,
	['3'] = 4,
	['4'] = 5,
	['5'] = 6,
	['6'] = 7,
	['7'] = 8,
	['8'] = 9,
	['9'] = 10,
	['a'] = 11,
	['b'] = 12,
	['c'] = 13,
	['d'] = 14,
	['e'] = 15,
	['f'] = 16,
	['A'] = 11,
	['B'] = 12,
	['C'] = 13,
	['D'] = 14,
	['E'] = 15,
	['F'] = 16,
};

int
hash_from_hex(struct span hex, uint8_t out[static HASH_LEN])
{
	unsigned bad = 0;

	if (hex.n != HASH_HEX_LEN)
		return -1;
	for (size_t i = 0; i < HASH_LEN; i++) {
		unsigned high = hash_nibbles[(unsigned char)hex.p[2 * i]] - 1u;
		unsigned low = hash_nibbles[(unsigned char)hex.p[2 * i + 1]] - 1u;

		bad |= high | low;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return bad > 15 ? -1 : 0;
}

void
hash_to_hex(const uint8_t hash[static HASH_LEN], char out[static HASH_HEX_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < HASH_LEN; i++) {
		out[2 * i] = digits[hash[i] >> 4];
		out[2 * i + 1] = digits[hash[i] & 15];
	}
	out[HASH_HEX_LEN] = '\0';
}

int
hash_random(void *out, size_t n)
{
	char *at = out;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

void
hash_base64url(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		unsigned v = (unsigned)bytes[i] << 16;

		if (left > 1)
			v |= (unsigned)bytes[i + 1] << 8;
		if (left > 2)
			v |= bytes[i + 2];
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		if (left > 1)
			*out++ = digits[v >> 6 & 63];
		if (left > 2)
			*out++ = digits[v & 63];
	}
	*out = '\0';
}

/* libcrypto counts in int, so long texts go in pieces that need no padding. */
int
hash_base64(struct span s, struct buf *out)
{
	const size_t piece = 3ul << 20;

	while (s.n > 0) {
		size_t n = s.n < piece ? s.n : piece;
		char *to;

		if (buf_room(out, 4 * ((n + 2) / 3) + 1, &to))
			return -1;
		out->len += (size_t)EVP_EncodeBlock(
		    (unsigned char *)to, (const unsigned char *)s.p, (int)n);
		s = span_cut(s, n, s.n);
	}
	return 0;
}

int
hash_random_id(char *out, size_t n)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

	if (hash_random(out, n) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		out[i] = digits[(unsigned char)out[i] & 31];
	out[n] = '\0';
	return 0;
}

void
hash_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}
