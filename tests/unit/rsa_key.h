/* rsa_key: private keys for tests; making one takes valgrind half a minute. */
#ifndef POSTERN_TESTS_UNIT_RSA_KEY_H
#define POSTERN_TESTS_UNIT_RSA_KEY_H

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of the keys in tests/unit/vectors, which are of no use but here. */
static inline EVP_PKEY *
rsa_key_read(const char *path)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	assert(key);
	(void)fclose(f);
	return key;
}

/* The key in PEM (PKCS #8), under the passphrase unless that is NULL; for free(). */
static inline char *
rsa_key_pem(EVP_PKEY *key, const char *passphrase)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text, *copy;
	long n;

	assert(out &&
	    PEM_write_bio_PKCS8PrivateKey(out, key, passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0,
		NULL, (void *)(uintptr_t)passphrase) == 1);
	n = BIO_get_mem_data(out, &text);
	copy = calloc(1, (size_t)n + 1);
	assert(copy);
	memcpy(copy, text, (size_t)n);
	BIO_free(out);
	return copy;
}

#endif
