/* base64url: what tokens are made of, decoded by libcrypto. */
#ifndef POSTERN_TESTS_UNIT_BASE64URL_H
#define POSTERN_TESTS_UNIT_BASE64URL_H

#include <assert.h>
#include <openssl/evp.h>

#include "base/span.h"

/* Decodes base64url without padding; the length. out has room for 8192 bytes at least. */
static inline size_t
base64url_decode(struct span text, unsigned char *out, size_t size)
{
	char plain[8192];
	size_t n = text.n;
	int got;

	assert(n + 4 < sizeof(plain) && size >= sizeof(plain));
	for (size_t i = 0; i < n; i++)
		plain[i] = text.p[i] == '-' ? '+' : text.p[i] == '_' ? '/' : text.p[i];
	while (n % 4)
		plain[n++] = '=';
	got = EVP_DecodeBlock(out, (unsigned char *)plain, (int)n);
	return got < 0 ? 0 : (size_t)got - (n - text.n);
}

#endif
